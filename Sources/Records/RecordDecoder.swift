/// Why a message's bytes are no record. It carries no value, so it may be logged.
public struct DecodingFailure: Error, Equatable, Sendable {
    public enum Reason: UInt8, Sendable {
        case empty
        /// Not of the decoder's format: a bad token, a missing bracket, a length behind the end, something after it.
        case invalidSyntax
        case invalidUTF8
        /// Deeper than the decoder follows.
        case tooDeep
        /// The message is valid, but it has no fields.
        case notAnObject
        /// The schema that it names is not to be had, or is none that anybody reads here.
        case unknownSchema
    }

    public var reason: Reason
    /// The decoder's own words, to follow the name of what was decoded: `is not valid JSON`.
    public var words: String
    /// Byte offset in the message where it went wrong, where that is known.
    public var offset: Int?

    /// - Parameter words: a literal, so that nothing is allocated for a message that is tried as several formats.
    public init(_ reason: Reason, _ words: String, offset: Int? = nil) {
        self.reason = reason
        self.words = words
        self.offset = offset
    }
}

/// Turns a message's bytes into the fields that a route asks for. One for each thread; none is shared.
///
/// All of a message is checked, also what is not routed, so that a field loads or fails the same whatever else is
/// routed. Lists and records are at most 1024 deep.
public protocol RecordDecoder: AnyObject {
    /// Bytes behind the message that the decoder may read but not use.
    var padding: Int { get }

    /// Decodes one message and hands its fields over, in the order of the paths the decoder was made with.
    ///
    /// - Parameter message: must be followed by `padding` readable bytes.
    /// - Returns: the fields, valid until the next call.
    func decode(_ message: UnsafeRawBufferPointer) throws(DecodingFailure) -> UnsafeBufferPointer<Field>

    /// Hands over what is in a list or record, in the order it came. Called within itself for what is nested.
    ///
    /// - Parameters:
    ///   - container: a `list` or `record` of the last message, or of an earlier call of `visit` for it.
    ///   - body: gets each value, with its name in UTF-8 if it is a record's; false ends the visit. A value is valid
    ///     until the next message.
    /// - Throws: for what `decode` has passed over without a look.
    func visit(
        _ container: Field, _ body: (_ name: UnsafeRawBufferPointer, _ value: Field) -> Bool
    ) throws(DecodingFailure)

    /// The number that a record stands for where only a number will do, as an amount of money without its currency.
    ///
    /// - Parameter record: a `record` of the last message, or of a call of `visit` for it.
    /// - Returns: nil for one that stands for none.
    func number(of record: Field) -> Field?

    /// What the schema of the last message says of its fields; nil where messages have none.
    var outline: SchemaOutline? { get }
}

extension RecordDecoder {
    public var outline: SchemaOutline? { nil }

    public func number(of record: Field) -> Field? { nil }
}

/// The way to a field: `customer.name` is `["customer", "name"]`, and an array's element is its index, `items.0.sku`.
public struct FieldPath: Hashable, Sendable, CustomStringConvertible {
    /// Which fields the last component of a path takes beside the one of its own name, if the message has none of that. Of
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
