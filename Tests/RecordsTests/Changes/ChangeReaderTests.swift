import Records
import Testing

@Suite("Change reader")
struct ChangeReaderTests {
    /// What is read of a message in JSON.
    private func read(_ message: String, _ envelope: Envelope = .debezium) -> ChangeReader.Event? {
        var paths: [FieldPath] = []
        let reader = ChangeReader(envelope) { path in
            paths.append(path)
            return paths.count - 1
        }
        let decoder = JSONRecordDecoder(paths: paths)
        let padded = Array(message.utf8) + [UInt8](repeating: 0, count: decoder.padding)
        return padded.withUnsafeBytes { bytes in
            (try? decoder.decode(UnsafeRawBufferPointer(rebasing: bytes[..<message.utf8.count]))).map {
                reader.read($0)
            }
        }
    }

    @Test(
        "Debezium's events say what was done and where the row is",
        arguments: [
            (#"{"before":null,"after":{"id":1},"source":{},"op":"c"}"#, .change(.create, .after)),
            (#"{"after":{"id":1},"source":{},"op":"r"}"#, .change(.read, .after)),
            (#"{"before":{"id":1},"after":{"id":1},"op":"u"}"#, .change(.update, .after)),
            (#"{"before":{"id":1},"after":null,"source":{},"op":"d"}"#, .change(.delete, .before)),
            (#"{"before":null,"after":null,"source":{},"op":"d"}"#, .change(.delete, .after)),
            (#"{"source":{},"op":"m","message":{"prefix":"p","content":"AA=="}}"#, .skip),
            (#"{"after":null,"source":{},"op":"u"}"#, .rowless(.update)),
            (#"{"after":"no row","source":{},"op":"c"}"#, .rowless(.create)),
            (#"{"after":{"id":1},"source":{},"op":"x"}"#, .wordless(isThere: true)),
            (#"{"after":{"id":1},"source":{},"op":"cc"}"#, .wordless(isThere: true)),
        ] as [(String, ChangeReader.Event)])
    func debezium(message: String, event: ChangeReader.Event) {
        #expect(read(message) == event)
    }

    @Test(
        "a message that is the row itself is told from an envelope, and says whether the row is deleted",
        arguments: [
            (#"{"id":1,"__deleted":"false"}"#, .change(.update, .flat)),
            (#"{"id":1,"__deleted":"true"}"#, .change(.delete, .flat)),
            (#"{"id":1,"__deleted":true,"__op":"u"}"#, .change(.delete, .flat)),
            (#"{"id":1,"__op":"c"}"#, .change(.create, .flat)), (#"{"id":1,"__op":"r"}"#, .change(.read, .flat)),
            (#"{"id":1,"__op":"d"}"#, .change(.delete, .flat)),
            (#"{"id":1,"__op":"?"}"#, .wordless(isThere: true)),
            // Columns of a table may be called so.
            (#"{"id":1,"op":"c"}"#, .change(.update, .flat)),
            (#"{"id":1,"op":"c","after":"noon","source":"x"}"#, .change(.update, .flat)),
        ] as [(String, ChangeReader.Event)])
    func unwrapped(message: String, event: ChangeReader.Event) {
        #expect(read(message) == event)
    }

    @Test(
        "what Debezium says of the schema and of transactions is passed over, and rows that look alike are not",
        arguments: [
            (
                #"{"source":{"server":"s"},"ts_ms":1,"databaseName":"d","ddl":"CREATE TABLE t","tableChanges":[]}"#,
                .skip
            ),
            (#"{"status":"BEGIN","id":"571:53195829","ts_ms":1,"event_count":null,"data_collections":null}"#, .skip),
            (
                #"{"status":"END","id":"571","ts_ms":1,"event_count":2,"data_collections":[{"data_collection":"s.a","event_count":2}]}"#,
                .skip
            ),
            (#"{"status":"BEGIN","id":"1","event_count":2}"#, .change(.update, .flat)),
            (#"{"databaseName":"d","ddl":"x"}"#, .change(.update, .flat)),
        ] as [(String, ChangeReader.Event)])
    func notices(message: String, event: ChangeReader.Event) {
        #expect(read(message) == event)
    }

    @Test("an envelope of one's own has its own places and words, of any length, numbers too")
    func own() {
        let envelope = Envelope(
            after: FieldPath(["data", "new"]), before: FieldPath(["data", "old"]),
            operation: FieldPath(["meta", "type"]),
            words: [
                "insert": .change(.create), "update": .change(.update), "delete": .change(.delete), "": .skip,
                "control": .skip, "7": .change(.update),
            ])
        #expect(read(#"{"meta":{"type":"insert"},"data":{"new":{}}}"#, envelope) == .change(.create, .after))
        #expect(read(#"{"meta":{"type":"delete"},"data":{"old":{}}}"#, envelope) == .change(.delete, .before))
        #expect(read(#"{"meta":{"type":"control"}}"#, envelope) == .skip)
        #expect(read(#"{"meta":{"type":""}}"#, envelope) == .skip)
        #expect(read(#"{"meta":{"type":7},"data":{"new":{}}}"#, envelope) == .change(.update, .after))
        #expect(read(#"{"meta":{"type":"INSERT"},"data":{"new":{}}}"#, envelope) == .wordless(isThere: true))
        #expect(read(#"{"data":{"new":{}}}"#, envelope) == .wordless(isThere: false))
        #expect(read(#"{"meta":{"type":"update"},"data":{}}"#, envelope) == .rowless(.update))
        let flat = Envelope(after: FieldPath([]), operation: FieldPath(["op"]), words: ["I": .change(.create)])
        #expect(read(#"{"op":"I","id":1}"#, flat) == .change(.create, .after))
    }

    @Test(
        "the events of other programs are read by their own places and words",
        arguments: [
            (
                Envelope.maxwell, #"{"database":"s","table":"t","type":"insert","ts":1,"xid":2,"data":{"id":1}}"#,
                .change(.create, .after)
            ),
            (.maxwell, #"{"type":"update","data":{"id":1,"m":2},"old":{"m":1}}"#, .change(.update, .after)),
            (.maxwell, #"{"type":"delete","data":{"id":1}}"#, .change(.delete, .after)),
            (.maxwell, #"{"type":"bootstrap-insert","data":{"id":1}}"#, .change(.read, .after)),
            (.maxwell, #"{"type":"bootstrap-start","data":{}}"#, .skip),
            (.maxwell, #"{"type":"table-alter","sql":"ALTER"}"#, .skip),
            (.goldenGate, #"{"table":"S.T","op_type":"I","pos":"1","after":{"ID":1}}"#, .change(.create, .after)),
            (.goldenGate, #"{"op_type":"U","before":{"ID":1},"after":{"ID":1}}"#, .change(.update, .after)),
            (.goldenGate, #"{"op_type":"D","before":{"ID":1}}"#, .change(.delete, .before)),
            (.goldenGate, #"{"op_type":"T","pos":"1"}"#, .change(.truncate, .after)),
            (.dms, #"{"data":{"id":1},"metadata":{"record-type":"data","operation":"load"}}"#, .change(.read, .after)),
            (
                .dms, #"{"data":{"id":1},"metadata":{"record-type":"data","operation":"delete"}}"#,
                .change(.delete, .after)
            ),
            (.dms, #"{"control":{},"metadata":{"record-type":"control","operation":"create-table"}}"#, .skip),
            (
                .canal, #"{"isDdl":false,"type":"INSERT","data":[{"id":"1"},{"id":"2"}],"old":null}"#,
                .change(.create, .after)
            ),
            (.canal, #"{"type":"UPDATE","data":[{"id":"1"}],"old":[{"a":"x"}]}"#, .change(.update, .after)),
            (.canal, #"{"type":"DELETE","data":[{"id":"1"}],"old":null}"#, .change(.delete, .after)),
            (.canal, #"{"isDdl":true,"type":"TRUNCATE","data":null,"sql":"truncate t"}"#, .change(.truncate, .after)),
            (.canal, #"{"isDdl":true,"type":"ALTER","data":null,"sql":"ALTER TABLE t"}"#, .skip),
            // A word of another program's, or of a later one.
            (.canal, #"{"isDdl":true,"type":"SOMETHING","data":null}"#, .skip),
            (.canal, #"{"isDdl":false,"type":"SOMETHING","data":[{"id":"1"}]}"#, .wordless(isThere: true)),
            (.canal, #"{"isDdl":false,"type":"INSERT","data":null,"sql":"INSERT INTO t"}"#, .skip),
            (
                .canal, #"{"isDdl":false,"type":"TIDB_WATERMARK","data":null,"_tidb":{"watermarkTs":1}}"#, .skip
            ),
        ] as [(Envelope, String, ChangeReader.Event)])
    func others(envelope: Envelope, message: String, event: ChangeReader.Event) {
        #expect(read(message, envelope) == event)
    }
}
