import Records

/// Compares the answers of the decoders and of the container with the reference's. They are used for every text, so that
/// nothing may stay behind.
struct JSONComparison {
    private static let paths: [[String]] = [
        ["a"], ["b", "a"], ["b"], ["c", "0"], ["c", "1", "a"], ["ab", "b"], ["é"], ["b", "c", "b"], [""], ["a"],
        ["c", "0", "0"], [],
    ]

    private let decoder = JSONRecordDecoder(paths: JSONComparison.paths.map(FieldPath.init))
    private let validator = JSONRecordDecoder(paths: [])
    private let container = JSONContainer()
    private(set) var accepted = 0
    private(set) var refused = 0

    /// - Returns: what one of them says otherwise than the reference; nil if they agree.
    mutating func difference(_ bytes: [UInt8], padding: UInt8) -> String? {
        let message = Message(bytes, padding: padding)
        let reference = ReferenceJSON.parse(bytes)
        if case .object = reference { accepted += 1 } else { refused += 1 }
        guard let what = inRecord(message, reference) ?? inContainer(message, reference) else { return nil }
        return "\(what): \(String(decoding: bytes, as: UTF8.self).debugDescription), padded with \(padding)"
    }

    private func inRecord(_ message: Message, _ reference: ReferenceJSON?) -> String? {
        let bytes = message.bytes
        var found: [Value]?
        var failure: DecodingFailure?
        do throws(DecodingFailure) { found = try message.decode(with: decoder) } catch { failure = error }
        switch reference {
        case .object:
            let expected = Self.paths.map { reference?.field($0) ?? .absent }
            if found != expected { return "decoded \(found, or: failure), but it is \(expected)" }
        case .some:
            if failure?.reason != .notAnObject { return "decoded \(found, or: failure), but it is no object" }
        case nil:
            if found != nil || failure?.reason == .notAnObject {
                return "decoded \(found, or: failure), but it is no JSON"
            }
            let isEmpty = bytes.allSatisfy { [0x20, 0x09, 0x0A, 0x0D].contains($0) }
            if (failure?.reason == .empty) != isEmpty { return "\(found, or: failure), but isEmpty is \(isEmpty)" }
            if failure?.reason == .invalidUTF8, String(validating: bytes, as: UTF8.self) != nil {
                return "not taken for UTF-8"
            }
        }
        if let offset = failure?.offset, offset > bytes.count { return "failed at \(offset), behind its end" }
        // Whether a message is one does not hang on what is routed.
        var other: DecodingFailure?
        do throws(DecodingFailure) { _ = try message.decode(with: validator) } catch { other = error }
        return other?.reason == failure?.reason ? nil : "\(found, or: failure), but without paths \([], or: other)"
    }

    private func inContainer(_ message: Message, _ reference: ReferenceJSON?) -> String? {
        container.reset()
        let elements = message.read { (bytes) throws(DecodingFailure) in
            try container.elements(of: bytes).map(Value.init)
        }
        let members = message.read { (bytes) throws(DecodingFailure) in
            try container.members(of: bytes).map { Member(name: $0.name, value: Value($0.value)) }
        }
        var expectedElements: [Value]?
        var expectedMembers: [Member]?
        switch reference {
        case .array(let elements, _): expectedElements = elements.map { $0.field([]) }
        case .object(let members, _):
            expectedMembers = members.map {
                Member(name: String(decoding: $0.name, as: UTF8.self), value: $0.value.field([]))
            }
        default: break
        }
        if (try? elements.get()) != expectedElements { return "opened as an array it is \(elements)" }
        if (try? members.get()) != expectedMembers { return "opened as an object it is \(members)" }
        return nil
    }

    private struct Member: Equatable {
        var name: String
        var value: Value

        /// Byte by byte, as `Value` is compared.
        static func == (a: Member, b: Member) -> Bool { a.name.utf8.elementsEqual(b.name.utf8) && a.value == b.value }
    }
}

extension DefaultStringInterpolation {
    fileprivate mutating func appendInterpolation(_ found: [Value]?, or failure: DecodingFailure?) {
        if let failure {
            appendInterpolation("refused as \(failure.reason)")
        } else {
            appendInterpolation("\(found ?? [])")
        }
    }
}
