import Records

enum FuzzedConnect {
    private static let paths = [FieldPath([]), FieldPath(["a"]), FieldPath(["b", "c"]), FieldPath(["a_b"], names: .snakeCase)]

    static func message(_ input: UnsafeRawBufferPointer) {
        Walk.decode(input, by: ConnectJSONDecoder(paths: paths))
        // What is no envelope of Connect's, the same decoder takes next.
        _ = ConnectJSONDecoder.mayBeEnvelope(input)
        _ = ConnectJSONDecoder.isTombstone(input)
    }

    static let messages: [[UInt8]] = [
        #"{"schema":{"type":"struct","fields":[{"field":"a","type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}},{"field":"b","type":"struct","fields":[{"field":"c","type":"int64","name":"io.debezium.time.MicroTimestamp"}]}]},"payload":{"a":"AQ==","b":{"c":1}}}"#,
        #"{"schema":{"type":"struct","fields":[{"field":"a","type":"map","keys":{"type":"int32"},"values":{"type":"array","items":{"type":"bytes"}}},{"field":"aB","type":"struct","name":"io.debezium.data.VariableScaleDecimal","fields":[{"field":"scale","type":"int32"},{"field":"value","type":"bytes"}]}]},"payload":{"a":[[1,["AA=="]]],"aB":{"scale":3,"value":"AQ=="}}}"#,
        #"{"schema":{"type":"string","optional":true},"payload":null}"#, #"{"schema":null,"payload":1}"#, #"{"a": 1}"#,
        #"{"schema":{"type":"struct","fields":[{"field":"a","type":"bytes","name":"io.debezium.data.Bits","parameters":{"length":"9"}}]},"payload":{"a":"AQE="}}"#,
    ].map { Array($0.utf8) }
}
