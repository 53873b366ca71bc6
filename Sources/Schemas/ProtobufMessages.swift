import Records

/// The decoders of a schema's messages: which one a message is of, stands behind the schema's id, in a form that each
/// registry's serializers have for themselves.
///
/// Belongs to one thread.
final class ProtobufMessages {
    private let schema: ProtobufSchema
    private let paths: [FieldPath]
    /// What a message is that does not say it; nil: the first of its file.
    private let unnamed: String?
    /// How Confluent's clients have written which it is.
    private let numbers: MessageIndexes.Numbers
    /// Of the file's first message, which most are.
    private var first: ProtobufRecordDecoder?
    private var others: [Int: ProtobufRecordDecoder] = [:]
    /// Of `unnamed`.
    private var ofName: ProtobufRecordDecoder?
    private var places: [[Int32]: Int] = [:]
    /// By the names that Apicurio's serializers write.
    private var named: [[UInt8]: Int] = [:]
    private var lastName: (bytes: [UInt8], place: Int) = ([], 0)
    /// The file's messages by their full names, nested ones and entries of maps among them: so counts Glue.
    private lazy var sorted = schema.messages.indices.filter { schema[$0].file == 0 }
        .sorted { schema[$0].name.utf16.lexicographicallyPrecedes(schema[$1].name.utf16) }

    typealias Named = (decoder: ProtobufRecordDecoder, payload: Int)

    init(_ schema: ProtobufSchema, _ paths: [FieldPath], _ unnamed: String?, _ numbers: MessageIndexes.Numbers) {
        self.schema = schema
        self.paths = paths
        self.unnamed = unnamed
        self.numbers = numbers
    }

    /// - Returns: and where the message itself begins.
    func decoder(
        of message: UnsafeRawBufferPointer, _ header: SchemaHeader?, _ framing: Framing
    ) throws(DecodingFailure) -> Named {
        switch framing.form {
        case .header:
            // Some leave out what says that it is the first.
            guard let indexes = header?.message, !indexes.isEmpty else { return (try decoder(of: [0]), 0) }
            return (try decoder(in: indexes, at: 0, isAll: true).decoder, 0)
        case .number, .guid: return try decoder(in: message, at: framing.payload)
        case .apicurio, .apicurioHeader: return try decoder(ofApicurio: message, header, at: framing.payload)
        case .glue: return try decoder(ofGlue: message, at: framing.payload)
        case .none: return (try decoder(named: unnamed), 0)
        case .azure, .singleObject, .avroFile: return (try decoder(of: [0]), framing.payload)
        }
    }

    /// - Parameter isAll: nothing stands behind the indexes.
    private func decoder(
        in bytes: UnsafeRawBufferPointer, at start: Int, isAll: Bool = false
    ) throws(DecodingFailure) -> Named {
        // So that most messages cost no array.
        if start < bytes.count, bytes[start] == 0, let first { return (first, start + 1) }
        // Fields are counted from 1, so that no message begins with a byte below 8: what does are indexes still.
        guard let indexes = MessageIndexes(in: bytes, at: start, numbers),
            indexes.end == bytes.count || !isAll && bytes[indexes.end] >= 8
        else { throw DecodingFailure(.invalidSyntax, Self.unsaid(bytes, start, numbers), offset: start) }
        return (try decoder(of: indexes.path), indexes.end)
    }

    /// What is said of a message that does not say which it is, for whoever has to find its producer.
    private static func unsaid(
        _ bytes: UnsafeRawBufferPointer, _ start: Int, _ numbers: MessageIndexes.Numbers
    ) -> String {
        let words = "does not say which message of its schema it is"
        guard numbers == .zigzag, MessageIndexes(in: bytes, at: start, .plain) != nil else { return words }
        return words + ", unless its message indexes are plain, as clients with use.deprecated.format write them"
    }

    // MARK: Apicurio

    /// A name, Confluent's indexes behind it if the producer was told to write them, or neither; a header may name it, too.
    private func decoder(
        ofApicurio bytes: UnsafeRawBufferPointer, _ header: SchemaHeader?, at start: Int
    ) throws(DecodingFailure) -> Named {
        var payload = start
        var place: Int?
        if let reference = TypeReference(in: bytes, at: start) {
            guard let found = message(named: reference.name) else {
                throw DecodingFailure(
                    .unknownSchema, "names a message that its schema does not have", offset: start)
            }
            (place, payload) = (found, reference.end)
        }
        // Fields are counted from 1, so that no message begins with a byte below 8, and all but the deepest indexes do.
        if payload < bytes.count, bytes[payload] < 8, let indexes = MessageIndexes(in: bytes, at: payload) {
            return (try decoder(of: indexes.path), indexes.end)
        }
        if place == nil, let header, !header.message.isEmpty { place = message(named: header.message) }
        guard let place else { return (try decoder(of: [0]), payload) }
        return (decoder(at: place), payload)
    }

    /// The file's message of a name: with its package, or without, as Java's descriptors call it, and then rather one that is not
    /// in another.
    private func message(named name: UnsafeRawBufferPointer) -> Int? {
        if lastName.bytes.elementsEqual(name) { return lastName.place }
        let bytes = Array(name)
        guard let place = named[bytes] ?? find(bytes) else { return nil }
        // No more than the schema has messages.
        named[bytes] = place
        lastName = (bytes, place)
        return place
    }

    private func find(_ bytes: [UInt8]) -> Int? {
        let name = String(decoding: bytes, as: UTF8.self)
        let own = schema.messages.indices.filter { schema[$0].file == 0 }
        if let whole = own.first(where: { schema[$0].name == name }) { return whole }
        let short = own.filter { schema[$0].name.hasSuffix("." + name) }
        return short.min { schema[$0].indexes.count < schema[$1].indexes.count }
    }

    // MARK: Glue

    private func decoder(ofGlue bytes: UnsafeRawBufferPointer, at start: Int) throws(DecodingFailure) -> Named {
        var place = start
        guard let index = TypeReference.number(bytes, &place) else {
            throw DecodingFailure(
                .invalidSyntax, "does not say which message of its schema it is", offset: start)
        }
        guard index < sorted.count else {
            throw DecodingFailure(.unknownSchema, "names a message that its schema does not have", offset: start)
        }
        return (decoder(at: sorted[index]), place)
    }

    // MARK: Decoders

    /// For messages that do not say it.
    private func decoder(named name: String?) throws(DecodingFailure) -> ProtobufRecordDecoder {
        guard let name else { return try decoder(of: [0]) }
        if let ofName { return ofName }
        guard let message = schema.message(named: name) else {
            throw DecodingFailure(.unknownSchema, "is of a schema that does not have the message which the route names")
        }
        ofName = decoder(at: message)
        return decoder(at: message)
    }

    private func decoder(of path: [Int32]) throws(DecodingFailure) -> ProtobufRecordDecoder {
        if path == [0], let first { return first }
        guard let message = places[path] ?? schema.message(path, inFile: 0) else {
            throw DecodingFailure(.unknownSchema, "names a message that its schema does not have")
        }
        places[path] = message
        let decoder = decoder(at: message)
        if path == [0] { first = decoder }
        return decoder
    }

    private func decoder(at place: Int) -> ProtobufRecordDecoder {
        if let known = others[place] { return known }
        let decoder = ProtobufRecordDecoder(schema, message: place, paths: paths)
        others[place] = decoder
        return decoder
    }
}

/// What Apicurio's serializers write before a message of Protobuf: a small message with its length before it, whose field 1 is
/// the type's name.
struct TypeReference {
    var name: UnsafeRawBufferPointer
    /// Where the message begins.
    var end: Int

    /// - Returns: nil if there is none at that place.
    init?(in bytes: UnsafeRawBufferPointer, at start: Int) {
        var place = start
        guard let length = Self.number(bytes, &place), length > 2, length <= 1024, length <= bytes.count - place,
            bytes[place] == 0x0A
        else { return nil }
        end = place + length
        place += 1
        guard let count = Self.number(bytes, &place), count > 0, place + count == end else { return nil }
        name = UnsafeRawBufferPointer(rebasing: bytes[place..<end])
        guard name.allSatisfy(Self.isOfNames) else { return nil }
    }

    private static func isOfNames(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."): true
        default: false
        }
    }

    /// A plain varint of at most 32 bits.
    static func number(_ bytes: UnsafeRawBufferPointer, _ place: inout Int) -> Int? {
        var value = 0
        for shift in stride(from: 0, to: 35, by: 7) {
            guard place < bytes.count else { return nil }
            let byte = bytes[place]
            place += 1
            value |= Int(byte & 0x7F) << shift
            if byte & 0x80 == 0 { return value <= UInt32.max ? value : nil }
        }
        return nil
    }
}
