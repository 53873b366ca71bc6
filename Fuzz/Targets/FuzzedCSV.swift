import Records

enum FuzzedCSV {
    /// The first byte says how the message is written.
    static func message(_ input: UnsafeRawBufferPointer) {
        guard let first = input.first else { return }
        var dialect = CSVDialect()
        if first & 1 != 0 { dialect.delimiter = UInt8(ascii: ";") }
        if first & 2 != 0 { dialect.quote = nil }
        dialect.hasHeader = first & 4 != 0
        if first & 8 != 0, !dialect.hasHeader { dialect.fields = ["a", "b", "c"] }
        if first & 16 != 0 { dialect.null = "NA" }
        let paths = [FieldPath([]), FieldPath(["a"]), FieldPath(["1"])]
        let decoder = CSVRecordDecoder(dialect, isMany: first & 32 != 0, paths: paths)
        Walk.decode(UnsafeRawBufferPointer(rebasing: input.dropFirst()), by: decoder)
    }

    static let messages: [[UInt8]] = [
        (0, "1,\"two \"\"words\"\"\",\r\n"), (1, "a;;\"\""), (4, "a,b\n1,\"x\ny\"\n"), (8, "1,2,3"), (24, "NA,\"NA\",ü"),
        (36, "a,b\n1,2\n3,4\r\n"), (34, "1,5\" pipe\n2,\n"),
    ].map { [$0.0] + Array($0.1.utf8) }
}
