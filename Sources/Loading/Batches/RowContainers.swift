import Postgres
import Records
import Schemas

/// Lets the encoders look into what is nested: JSON's arrays and objects, and the lists and records of the decoders
/// that a row's fields come from.
final class RowContainers: ContainerReader {
    private let container = JSONContainer()
    /// Most rows open nothing, and pay nothing.
    private var hasOpened = false
    private let decoder: (any RecordDecoder)?
    private let keyDecoder: (any RecordDecoder)?
    /// The decoder of values, where these may be JSON.
    private let framed: FramedDecoder?
    private let connect: ConnectJSONDecoder?
    /// What ends the visit under way: a decoder has errors of its own.
    private var failure: EncodingFailure?
    /// Holds the text of `document`, because what the container hands out points into it.
    private var documentText = CopyBuffer(capacity: 256)
    private var decodedBytes = CopyBuffer(capacity: 256)

    /// - Parameters:
    ///   - decoder: of values.
    ///   - keyDecoder: of keys; see `InputValue.init(ofKey:)`.
    init(decoder: (any RecordDecoder)? = nil, keyDecoder: (any RecordDecoder)? = nil) {
        self.decoder = decoder
        self.keyDecoder = keyDecoder
        (framed, connect) = (decoder as? FramedDecoder, decoder as? ConnectJSONDecoder)
    }

    /// Begins a row: what was opened for the one before is forgotten.
    @inline(__always)
    func reset() {
        guard hasOpened else { return }
        container.reset()
        hasOpened = false
    }

    func elements(of list: InputValue) throws(EncodingFailure) -> [InputValue] {
        if list.kind == .list {
            var elements: [InputValue] = []
            try visit(list) { (_, value) in elements.append(value) }
            return elements
        }
        hasOpened = true
        do {
            return try container.elements(of: list.bytes).map { InputValue($0) }
        } catch {
            throw EncodingFailure(.badSyntax, found: list.kind)
        }
    }

    /// A name that comes twice: the last one counts, as in a column's own field.
    func members(of record: InputValue) throws(EncodingFailure) -> [(name: String, value: InputValue)] {
        var members: [(name: String, value: InputValue)] = []
        var places: [String: Int] = [:]
        func add(_ name: String, _ value: InputValue) {
            if let known = places.updateValue(members.count, forKey: name) {
                places[name] = known
                members[known].value = value
            } else {
                members.append((name, value))
            }
        }
        if record.kind == .record {
            try visit(record) { (name, value) in add(String(decoding: name, as: UTF8.self), value) }
            return members
        }
        hasOpened = true
        do {
            for member in try container.members(of: record.bytes) { add(member.name, InputValue(member.value)) }
            return members
        } catch {
            throw EncodingFailure(.badSyntax, found: record.kind)
        }
    }

    func visit(
        _ container: InputValue,
        _ body: (_ name: UnsafeRawBufferPointer, _ value: InputValue) throws(EncodingFailure) -> Void
    ) throws(EncodingFailure) {
        // Each by itself: one of two that is chosen first would be retained.
        if container.isOfKey {
            try visit(container, by: keyDecoder) { (name, value) throws(EncodingFailure) in
                try body(name, InputValue(ofKey: value))
            }
        } else {
            try visit(container, by: decoder) { (name, value) throws(EncodingFailure) in
                try body(name, InputValue(value))
            }
        }
    }

    @inline(__always)
    private func visit(
        _ container: InputValue, by decoder: (any RecordDecoder)?,
        _ body: (_ name: UnsafeRawBufferPointer, _ value: Field) throws(EncodingFailure) -> Void
    ) throws(EncodingFailure) {
        guard let decoder, let field = container.container else {
            throw EncodingFailure(.wrongType, found: container.kind)
        }
        do throws(DecodingFailure) {
            try decoder.visit(field) { name, value in
                do throws(EncodingFailure) {
                    try body(name, value)
                    return true
                } catch {
                    failure = error
                    return false
                }
            }
        } catch {
            throw EncodingFailure(error.reason == .invalidUTF8 ? .invalidUTF8 : .badSyntax, found: container.kind)
        }
        if let failure = failure.take() { throw failure }
    }

    func number(of record: InputValue) -> InputValue? {
        guard let decoder = record.isOfKey ? keyDecoder : decoder, let field = record.container else { return nil }
        return decoder.number(of: field).map { InputValue($0) }
    }

    var saysTypes: Bool {
        if let framed { return !framed.wasJSON || framed.payload != nil }
        return connect.map { $0.payload != nil } ?? true
    }

    func document(_ text: UnsafeRawBufferPointer) throws(EncodingFailure) -> InputValue {
        let text = text.withoutByteOrderMark
        documentText.removeAll(keepingAtMost: 64 << 10)
        documentText.append(byte: UInt8(ascii: "["))
        documentText.append(text)
        documentText.append(byte: UInt8(ascii: "]"))
        _ = documentText.reserve(JSONRecordDecoder.padding)
        hasOpened = true
        do {
            let fields = try container.elements(of: documentText.bytes)
            if fields.count == 1 { return InputValue(fields[0]) }
        } catch  where error.reason == .invalidUTF8 {
            throw EncodingFailure(.invalidUTF8, found: .string)
        } catch {}
        throw EncodingFailure(.noDocument, found: .string)
    }

    func bytes(
        of text: UnsafeRawBufferPointer, decodedBy decoding: Decoding
    ) throws(EncodingFailure) -> UnsafeRawBufferPointer {
        decodedBytes.removeAll(keepingAtMost: 64 << 10)
        guard decodedBytes.append(text, decodedBy: decoding) else {
            throw EncodingFailure(.undecodable, found: .string)
        }
        return decodedBytes.bytes
    }
}

extension InputValue {
    /// A field as a column's value: one that is absent is null.
    @inline(__always)
    package init(_ field: Field) {
        self.init(Kind(field.kind), field.first, field.second)
    }

    /// A field of the message's key. Its lists and records are told from those of the value by what a place has no use
    /// for: the upper half of the word that holds its node.
    @inline(__always)
    init(ofKey field: Field) {
        let mark: UInt64 = field.kind == .list || field.kind == .record ? 1 << 32 : 0
        self.init(Kind(field.kind), field.first, field.second | mark)
    }

    fileprivate var isOfKey: Bool { second >> 32 != 0 }

    /// The list or record as its decoder made it.
    fileprivate var container: Field? {
        switch kind {
        case .list: .list(first, node: UInt32(truncatingIfNeeded: second))
        case .record: .record(first, node: UInt32(truncatingIfNeeded: second))
        default: nil
        }
    }
}

extension InputValue.Kind {
    /// The kinds of both are the same in the same order, but that a field may be absent, which is null to a column; and
    /// the words of both mean the same.
    @inline(__always)
    package init(_ kind: Field.Kind) {
        // No switch and no call, which each column would pay for. Both enumerations are a byte that counts their cases.
        let place = unsafeBitCast(kind, to: UInt8.self)
        self = unsafeBitCast(place == 0 ? 0 : place &- 1, to: Self.self)
    }

    /// What it is called in a dead letter.
    package var name: String {
        switch self {
        case .null: "null"
        case .false, .true: "boolean"
        case .number: "number"
        case .string: "string"
        case .array, .list: "array"
        case .object: "object"
        case .integer, .unsigned: "integer"
        case .double: "double"
        case .float: "float"
        case .decimal: "decimal"
        case .bytes: "byte string"
        case .day: "date"
        case .timeOfDay: "time of day"
        case .instant: "instant"
        case .localTime: "local time"
        case .interval: "interval"
        case .uuid: "UUID"
        case .symbol: "enum"
        case .record: "record"
        }
    }
}
