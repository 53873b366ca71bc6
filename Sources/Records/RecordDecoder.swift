/// One routed field of a message, borrowed from the decoder until its next message.
public struct Field {
    public enum Kind: UInt8, Sendable {
        /// The message has no such field, which is not the same as null.
        case absent
        case null, `false`, `true`
        /// `bytes` are the number as written.
        case number
        /// `bytes` are UTF-8 with escapes resolved.
        case string
        /// `bytes` are the raw JSON text of the array or object.
        case array, object
    }

    // Laid out as the C decoder's field, which so needs no copy; `JSONRecordDecoder` checks it.
    public var kind: Kind
    @usableFromInline var start: UnsafeRawPointer?
    @usableFromInline var count: Int

    @inlinable
    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }

    @inlinable
    public init(_ kind: Kind, _ bytes: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)) {
        self.kind = kind
        self.start = bytes.baseAddress
        self.count = bytes.count
    }
}

/// Why a message's bytes are no record. It carries no value, so it may be logged.
public struct DecodingFailure: Error, Equatable, Sendable {
    public enum Reason: UInt8, Sendable {
        case empty
        /// Not JSON: a bad token, a missing bracket, something after the end.
        case invalidSyntax
        case invalidUTF8
        /// Deeper than the decoder follows.
        case tooDeep
        /// The message is valid, but not an object: it has no fields.
        case notAnObject
    }

    public var reason: Reason
    /// Byte offset in the message where it went wrong, where that is known.
    public var offset: Int?

    public init(_ reason: Reason, offset: Int? = nil) {
        self.reason = reason
        self.offset = offset
    }
}

/// Turns a message's bytes into the fields that a route asks for. One for each thread; none is shared.
public protocol RecordDecoder: AnyObject {
    /// Bytes behind the message that the decoder may read but not use.
    static var padding: Int { get }

    /// Decodes one message and hands its fields over, in the order of the paths the decoder was made with.
    ///
    /// - Parameter message: must be followed by `padding` readable bytes.
    /// - Returns: the fields, valid until the next call.
    func decode(_ message: UnsafeRawBufferPointer) throws(DecodingFailure) -> UnsafeBufferPointer<Field>
}

/// The way to a field: `customer.name` is `["customer", "name"]`, and an array's element is its index, `items.0.sku`.
public struct FieldPath: Hashable, Sendable, CustomStringConvertible {
    /// Which fields a path of one component takes beside the one of its own name, if the message has none of that. Of
    /// several the last in the message counts.
    public enum Names: Sendable {
        case exact
        /// Names that PostgreSQL would cut to this one, because they are longer than 63 bytes.
        case cut
        /// Names that are the same in snake case, `customerName` and `Customer-Name` for `customer_name`, and such cut.
        /// Letters beyond ASCII keep their case.
        case snakeCase
    }

    public var components: [String]
    public var names: Names

    public init(_ components: [String]) {
        self.init(components, names: .exact)
    }

    public init(_ components: [String], names: Names) {
        self.components = components
        self.names = names
    }

    public var description: String { components.joined(separator: ".") }
}
