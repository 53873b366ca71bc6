import LoadingFixtures
import Postgres
import Records
import Testing

@testable import Loading

@Suite("Rows of MongoDB's change events")
struct DocumentRowsTests {
    private static let timestamptz = PostgresType(oid: 1184, name: "timestamptz", formatted: "timestamptz")
    private let table = Table.made(
        [
            .made("_id", isNotNull: true), .made("name"), .made("amount", .numeric), .made("city"),
            .made("at", DocumentRowsTests.timestamptz), .made("doc", .jsonb), .made("address", .inet),
        ], key: ["_id"])

    private func route(_ mode: Route.Mode = .upsert, _ change: (inout Route) -> Void = { _ in }) -> Route {
        var route = Route.made(mode: mode, columns: [.init(name: "city", source: .field(FieldPath(["home", "city"])))])
        route.envelopeOptions = EnvelopeOptions(form: .mongodb)
        change(&route)
        return route
    }

    private func quoted(_ text: String) -> String {
        "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }

    private func key(_ id: String) -> String { #"{"id":\#(quoted(id))}"# }

    private func event(_ op: String, after: String? = nil, more: String = "") -> String {
        #"{"before":null,"after":\#(after.map(quoted) ?? "null"),"source":{"ord":1},"op":"\#(op)","ts_ms":5\#(more)}"#
    }

    private func patch(_ updated: String?, removed: String = "null", truncated: String = "null") -> String {
        event(
            "u",
            more:
                #","updateDescription":{"updatedFields":\#(updated.map(quoted) ?? "null"),"removedFields":\#(removed),"truncatedArrays":\#(truncated)}"#
        )
    }

    private func batch(_ messages: [(key: String?, value: String?)], _ route: Route) throws -> Batch {
        try Batch.filled(messages, for: Target.made(route, table))
    }

    /// Each row with the columns that it leaves out, and deletions.
    private func effects(_ batch: Batch, _ route: Route) throws -> [String] {
        let target = try Target.made(route, table)
        return RowSelection(batch: batch, target: target).rows.map { reference in
            let section = batch.sections[Int(reference.section)]
            let row = section.rows[Int(reference.row)]
            let text = String(decoding: section.buffer.bytes[row.start..<row.end].dropLast(), as: UTF8.self)
                .replacing("\t", with: "|")
            guard section.kind == .rows else { return "-" + text }
            let left = target.columns.filter { column in
                column.omissionBit.map { section.omissions.contains(row.omission, $0) } ?? false
            }.map(\.name)
            let needs = target.needsRowBit.map { section.omissions.contains(row.omission, $0) } ?? false
            return text + (left.isEmpty ? "" : " keeps " + left.joined(separator: ",")) + (needs ? " needs" : "")
        }
    }

    @Test("the values of both versions of Extended JSON are what they stand for")
    func values() throws {
        let documents = [
            #"{"_id":{"$oid":"5f0000000000000000000001"},"name":"a\"é","amount":{"$numberDecimal":"1.50"},"home":{"city":"X"},"at":{"$date":{"$numberLong":"86400001"}},"doc":{"n":{"$numberLong":"5"},"l":[{"$oid":"aa"},{"$date":{"$numberLong":"-1"}}],"d":{"$numberDouble":"NaN"},"k":"$v"}}"#,
            #"{"_id":{"$numberLong":"7"},"amount":{"$numberDouble":"2.5"},"at":{"$date":1000},"doc":{"$numberInt":"3"}}"#,
            #"{"_id":"x","amount":{"$numberInt":"-4"},"at":{"$date":"1970-01-01T00:00:01Z"},"doc":{"b":{"$binary":{"base64":"AQI=","subType":"00"}}}}"#,
            #"{"_id":{"$binary":{"base64":"AAECAwQFBgcICQoLDA0ODw==","subType":"04"}},"amount":{"$numberDecimal":"NaN"},"at":{"$timestamp":{"t":2,"i":1}}}"#,
            #"{"_id":{"$binary":"AAECAwQFBgcICQoLDA0ODw==","$type":"04"},"name":{"$symbol":"s"}}"#,
        ]
        let batch = try batch(documents.map { (nil, event("c", after: $0)) }, route())
        #expect(batch.deadLetters.map(\.explanation) == [])
        #expect(
            batch.lines == [
                [
                    "5f0000000000000000000001", "X", "a\"é", "1.50", "1970-01-02 00:00:00.001+00",
                    #"{"n":5,"l":["aa","1969-12-31T23:59:59.999Z"],"d":"NaN","k":"$v"}"#, #"\N"#,
                ],
                ["7", #"\N"#, #"\N"#, "2.5", "1970-01-01 00:00:01+00", "3", #"\N"#],
                ["x", #"\N"#, #"\N"#, "-4", "1970-01-01 00:00:01+00", #"{"b":"AQI="}"#, #"\N"#],
                [
                    "00010203-0405-0607-0809-0a0b0c0d0e0f", #"\N"#, #"\N"#, "NaN", "1970-01-01 00:00:02+00", #"\N"#,
                    #"\N"#,
                ],
                ["00010203-0405-0607-0809-0a0b0c0d0e0f", #"\N"#, "s", #"\N"#, #"\N"#, #"\N"#, #"\N"#],
            ])
    }

    @Test("documents are rows, and what deletes one names it by the message's key")
    func documents() throws {
        let messages: [(key: String?, value: String?)] = [
            (key(#"{"$oid":"aa"}"#), event("c", after: #"{"_id":{"$oid":"aa"},"name":"a"}"#)),
            (key("7"), event("r", after: #"{"_id":7,"name":"b"}"#)),
            (key("7"), event("u", after: #"{"_id":7,"name":"c"}"#)),
            (key(#"{"$oid":"aa"}"#), event("d")), (key(#"{"$oid":"aa"}"#), nil), (key(#""x""#), event("d")),
            (nil, #"{"ts_ms":1}"#), (key("8"), event("c")), (nil, event("d")), (key("no text"), event("d")),
        ]
        let batch = try batch(messages, route())
        #expect(
            try effects(batch, route()) == [
                #"aa|\N|a|\N|\N|\N|\N"#, #"7|\N|b|\N|\N|\N|\N"#, #"7|\N|c|\N|\N|\N|\N"#, "-aa", "-aa", "-x",
            ])
        #expect(batch.deadLetters.map(\.message) == [7, 8, 9])
        #expect(batch.deadLetters.map(\.reason) == [.noRow, .missingField, .invalidJSON])
        #expect(batch.operations[.skipped, target: 0] == 1 && batch.settled == messages.count)
    }

    @Test("a change of parts changes their columns in a row that is there, and keeps the others")
    func patches() throws {
        let messages: [(key: String?, value: String?)] = [
            (key("1"), patch(#"{"name":"a","amount":{"$numberDecimal":"1.5"}}"#)),
            (key("1"), patch(nil, removed: #"["name"]"#)), (key("1"), patch(#"{"home.city":"Y"}"#)),
            (key("1"), patch(#"{"home":{"zip":1}}"#)), (key("1"), patch(#"{"home":{"city":{"$symbol":"Z"}}}"#)),
            (key("1"), patch(#"{"other":1,"home.zip":2}"#)), (key("1"), patch(#"{"doc":{"a":1}}"#)),
        ]
        let batch = try batch(messages, route())
        #expect(batch.deadLetters.map(\.explanation) == [])
        #expect(
            try effects(batch, route()) == [
                "1|a|1.5 keeps city,at,doc,address needs", #"1|\N keeps city,amount,at,doc,address needs"#,
                "1|Y keeps name,amount,at,doc,address needs", #"1|\N keeps name,amount,at,doc,address needs"#,
                "1|Z keeps name,amount,at,doc,address needs", #"1|{"a":1} keeps city,name,amount,at,address needs"#,
            ])
        #expect(batch.operations[.skipped, target: 0] == 1)
    }

    @Test(
        "what changes only a part of what a column holds is a dead letter, and so is what a condition cannot be asked of"
    )
    func partial() throws {
        let messages: [(key: String?, value: String?)] = [
            (key("1"), patch(#"{"doc.a":1}"#)), (key("1"), patch(#"{"doc.secret.0":1,"name":"x"}"#)),
            (key("1"), patch(nil, removed: #"["doc.a"]"#)),
            (key("1"), patch(nil, truncated: #"[{"field":"doc","newSize":1}]"#)), (key("1"), patch("{")),
            (key("1"), event("u")),
        ]
        let batch = try batch(messages, route())
        #expect(try effects(batch, route()) == [])
        #expect(batch.deadLetters.map(\.reason) == [.noRow, .noRow, .noRow, .noRow, .invalidJSON, .noRow])
        #expect(batch.deadLetters[0].explanation.contains("doc"))
        #expect(batch.deadLetters.allSatisfy { !$0.explanation.contains("secret") })
        let condition = try RouteCondition("name != 'x'")
        let asking = route { $0.condition = condition }
        let asked = try self.batch(
            [
                (key("1"), patch(#"{"amount":1}"#)), (key("1"), patch(#"{"name":"y"}"#)),
                (key("1"), patch(#"{"name":"x"}"#)),
            ], asking)
        #expect(asked.deadLetters.map(\.message) == [0])
        #expect(try effects(asked, asking) == ["1|y keeps city,amount,at,doc,address needs", "-1"])
    }

    @Test("where rows are only added, a change of parts is a row of them")
    func appending() throws {
        let batch = try batch([(key("1"), patch(#"{"name":"a"}"#))], route(.insert))
        #expect(batch.lines.map { Set($0) } == [["1", "a", #"\N"#]])
        #expect(batch.deadLetters.isEmpty)
    }

    @Test("what ExtractNewDocumentState makes of a document is a row")
    func unwrapped() throws {
        let plain = route { $0.envelopeOptions = EnvelopeOptions(form: .debezium) }
        let batch = try batch(
            [
                (#"{"id":"7"}"#, #"{"_id":"7","name":"a","__op":"c"}"#),
                (nil, #"{"_id":"7","name":"a","__deleted":"true"}"#),
            ], plain)
        #expect(batch.deadLetters.isEmpty)
        #expect(try effects(batch, plain) == [#"7|\N|a|\N|\N|\N|\N"#, "-7"])
    }
}
