import Records

enum FuzzedJSON {
    private static let paths = [FieldPath([]), FieldPath(["a"]), FieldPath(["a", "b"]), FieldPath(["a_b"], names: .snakeCase)]

    static func message(_ input: UnsafeRawBufferPointer) {
        Walk.decode(input, by: JSONRecordDecoder(paths: paths))
    }

    static let messages: [[UInt8]] = [
        #"{"a": {"b": [1, -2.5e3, true, null, "x\u00e4\ud83d\ude00\n"]}, "aB": "", "a.b": {}}"#, "[]", "{\"a\":1}{", "\u{FEFF}{}",
    ].map { Array($0.utf8) }
}
