import Records
import Testing

@Suite("JSON record decoder")
struct JSONRecordDecoderTests {
    @Test("fields come in the order of the paths")
    func order() throws {
        let decoder = JSONRecordDecoder(paths: [FieldPath(["b"]), FieldPath(["a", "x"])])
        var bytes = Array(#"{"a": {"x": "é\n"}, "b": 1.50}"#.utf8)
        let count = bytes.count
        bytes += [UInt8](repeating: 0, count: 64)
        try bytes.withUnsafeBytes { buffer in
            let fields = try decoder.decode(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            #expect(fields[0].kind == .number && fields[0].bytes.elementsEqual("1.50".utf8))
            #expect(fields[1].kind == .string && fields[1].bytes.elementsEqual("é\n".utf8))
        }
    }
}
