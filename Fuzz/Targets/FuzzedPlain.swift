import Records

enum FuzzedPlain {
    /// The first byte says as what the message is read.
    static func message(_ input: UnsafeRawBufferPointer) {
        guard let first = input.first else { return }
        let form = PlainDecoder.Form.allCases[Int(first) % PlainDecoder.Form.allCases.count]
        let decoder = PlainDecoder(form, paths: [FieldPath([]), FieldPath(["a"])])
        Walk.decode(UnsafeRawBufferPointer(rebasing: input.dropFirst()), by: decoder)
    }

    static let messages: [[UInt8]] = [
        [0] + Array("ü".utf8), [1, 0xFF], [2, 1, 2], [3, 1, 2, 3, 4], [4, 1, 2, 3, 4, 5, 6, 7, 8],
        [5, 0x7F, 0xC0, 0, 0], [6, 0x7F, 0xF0, 0, 0, 0, 0, 0, 0], [7] + Array("00000000-0000-0000-0000-00000000000a".utf8),
        [7] + Array(1...16),
    ]
}
