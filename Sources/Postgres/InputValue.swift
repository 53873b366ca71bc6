/// One value on its way into a column, borrowed from the message it came in.
///
/// `Postgres` knows nothing of JSON; a value is what every format can say: null, a truth value, a number's digits, a
/// string's bytes, or the raw text of something nested.
public struct InputValue {
    public enum Kind: UInt8, Sendable {
        case null, `false`, `true`
        /// `bytes` are the number as written: `-12.50`, `1e3`.
        case number
        /// `bytes` are the string's UTF-8, escapes already resolved.
        case string
        /// `bytes` are the array's or object's JSON text, as it came.
        case array, object
    }

    public var kind: Kind
    public var bytes: UnsafeRawBufferPointer

    @inlinable
    public init(_ kind: Kind, _ bytes: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)) {
        self.kind = kind
        self.bytes = bytes
    }
}

/// Opens arrays and objects for the encoders that look inside them: SQL arrays and composite types. Reads what a string
/// stands for, where a route says so.
///
/// What it returns stays valid until the row it belongs to is finished.
public protocol ContainerReader: AnyObject {
    func elements(of array: InputValue) throws(EncodingFailure) -> [InputValue]
    func members(of object: InputValue) throws(EncodingFailure) -> [(name: String, value: InputValue)]

    /// Reads a JSON text, all of which is checked. What it returns, and what is opened from that, stays valid until the
    /// next call.
    func document(_ text: UnsafeRawBufferPointer) throws(EncodingFailure) -> InputValue

    /// The bytes that a text stands for, valid until the next call.
    func bytes(
        of text: UnsafeRawBufferPointer, decodedBy decoding: Decoding
    ) throws(EncodingFailure) -> UnsafeRawBufferPointer
}
