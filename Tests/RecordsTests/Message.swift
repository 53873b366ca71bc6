import Records

/// What a field said, copied out of the decoder.
enum Value: Equatable, CustomStringConvertible {
    case absent, null, `false`, `true`
    case number(String)
    case string(String)
    case array(String)
    case object(String)

    init(_ field: Field) {
        let text = String(decoding: field.bytes, as: UTF8.self)
        self =
            switch field.kind {
            case .absent: .absent
            case .null: .null
            case .false: .false
            case .true: .true
            case .number: .number(text)
            case .string: .string(text)
            case .array: .array(text)
            case .object: .object(text)
            default: preconditionFailure("\(field.kind) is none of JSON's kinds")
            }
    }

    /// Byte by byte: Swift's `==` on strings takes canonically equivalent ones for equal.
    static func == (a: Value, b: Value) -> Bool {
        a.description.utf8.elementsEqual(b.description.utf8)
    }

    var description: String {
        switch self {
        case .absent: "absent"
        case .null: "null"
        case .false: "false"
        case .true: "true"
        case .number(let text): "number \(text)"
        case .string(let text): "string \(text)"
        case .array(let text): "array \(text)"
        case .object(let text): "object \(text)"
        }
    }
}

/// A message's bytes with the padding a decoder asks for.
struct Message {
    var bytes: [UInt8]
    /// What stands behind the message; it must make no difference.
    var padding: UInt8 = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    init(_ bytes: [UInt8], padding: UInt8 = 0) {
        self.bytes = bytes
        self.padding = padding
    }

    func read<Result>(
        _ body: (UnsafeRawBufferPointer) throws(DecodingFailure) -> Result
    ) -> Swift.Result<Result, DecodingFailure> {
        let padded = bytes + [UInt8](repeating: padding, count: JSONRecordDecoder.padding)
        return padded.withUnsafeBytes { buffer in
            do throws(DecodingFailure) {
                return .success(try body(UnsafeRawBufferPointer(rebasing: buffer[..<bytes.count])))
            } catch {
                return .failure(error)
            }
        }
    }

    func decode(with decoder: JSONRecordDecoder) throws(DecodingFailure) -> [Value] {
        try read { (bytes) throws(DecodingFailure) in try decoder.decode(bytes).map(Value.init) }.get()
    }
}

/// Decodes `text` for paths written with dots.
func decode(_ text: String, _ paths: String...) throws(DecodingFailure) -> [Value] {
    try Message(text).decode(with: JSONRecordDecoder(paths: paths.map(FieldPath.init(dotted:))))
}

extension FieldPath {
    init(dotted text: String) {
        self.init(text.split(separator: ".", omittingEmptySubsequences: false).map(String.init))
    }
}
