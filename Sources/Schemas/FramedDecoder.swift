import Records

/// Reads messages that say themselves what they are: by what stands before them, or in a header. Which schema that is, it has
/// been told before (`missing` and `learn`), so that nothing here waits.
///
/// Belongs to one thread.
public final class FramedDecoder: RecordDecoder {
    /// What a message is that has nothing before it.
    public enum Plain: Sendable {
        case json
        case avro(AvroSchema)
        /// A message of a schema of Protobuf, by its place.
        case protobuf(ProtobufSchema, message: Int)
        /// Of this schema, which is learned as any other; of Protobuf the message of this name, or else the first.
        case schema(SchemaID, message: String? = nil)
        /// It must have something before it.
        case nothing
    }

    public let padding: Int

    /// How the last message was read.
    public private(set) var framing = Framing.none
    /// The last message was JSON, or nothing that could be told from it.
    public private(set) var wasJSON = true
    /// The last message was JSON, but its schema says more of its values than they do, so that they are read as those of other
    /// formats.
    public private(set) var wasTypedJSON = false
    /// The last message without what names its schema, where that was compressed; valid until the next one.
    public private(set) var inflated: UnsafeRawBufferPointer?
    private lazy var decompressor = Decompressor()

    private struct Reader {
        var decoder: any RecordDecoder
        var isJSON: Bool
        /// JSON whose schema says more of the values than they do, so that they are what the decoder makes of them.
        var isTypedJSON = false
        /// Values of its schema have names.
        var isRecord: Bool
        /// Of Protobuf: which of a file's messages it is, stands behind the schema.
        var messages: ProtobufMessages?
    }

    private enum Entry {
        case reader(Reader)
        case refused(DecodingFailure)
    }

    private let paths: [FieldPath]
    private let plain: Plain
    private let registry: String?
    private let naming: SchemaNaming
    private let names: SchemaNames?
    private let messageIndexes: MessageIndexes.Numbers
    private let looksBefore: Bool
    private let json: ConnectJSONDecoder
    private let isJSON: Bool
    /// For messages with nothing before them.
    private let own: Reader?
    private let ownFingerprint: SchemaID
    private var entries: [SchemaID: Entry] = [:]
    private var unknown: [SchemaID] = []
    private var last = SchemaID.none
    private var lastReader: Reader
    /// What `visit` looks into.
    private var opened: any RecordDecoder
    /// What registered JSON Schemas say of their messages.
    private var jsonOutlines: [SchemaID: SchemaOutline] = [:]

    /// More than any topic has; what is beyond them is learned again.
    private static let mostReaders = 1024

    /// - Parameters:
    ///   - registry: where schemas are asked for, in words; nil: nowhere.
    ///   - messageIndexes: how Confluent's clients have written which message of Protobuf each is. The same below.
    public convenience init(
        paths: [FieldPath], plain: Plain, registry: String?, naming: SchemaNaming = SchemaNaming(),
        messageIndexes: MessageIndexes.Numbers = .zigzag
    ) {
        self.init(paths, plain, registry: registry, naming, names: nil, messageIndexes)
    }

    /// For messages whose schemas somebody can be asked for.
    public convenience init(
        paths: [FieldPath], plain: Plain, schemas: SchemaSource, messageIndexes: MessageIndexes.Numbers = .zigzag
    ) {
        self.init(
            paths, plain, registry: schemas.registry.place, schemas.registry.naming, names: schemas.names,
            messageIndexes)
    }

    private init(
        _ paths: [FieldPath], _ plain: Plain, registry: String?, _ naming: SchemaNaming, names: SchemaNames?,
        _ messageIndexes: MessageIndexes.Numbers
    ) {
        self.paths = paths
        self.plain = plain
        self.registry = registry
        self.naming = naming
        self.names = names
        self.messageIndexes = messageIndexes
        json = ConnectJSONDecoder(paths: paths)
        switch plain {
        case .json: (isJSON, looksBefore, own, ownFingerprint) = (true, true, nil, .none)
        case .nothing: (isJSON, looksBefore, own, ownFingerprint) = (false, true, nil, .none)
        // Its first bytes may be any: what looks like a schema's number is the message's own.
        case .schema: (isJSON, looksBefore, own, ownFingerprint) = (false, false, nil, .none)
        case .avro(let schema):
            (isJSON, looksBefore) = (false, false)
            own = Self.reader(of: schema, paths)
            ownFingerprint = .fingerprint(schema.fingerprint)
        case .protobuf(let schema, let message):
            (isJSON, looksBefore, ownFingerprint) = (false, false, .none)
            let decoder = ProtobufRecordDecoder(schema, message: message, paths: paths)
            own = Reader(decoder: decoder, isJSON: false, isRecord: true)
        }
        opened = json
        lastReader = Reader(decoder: json, isJSON: true, isRecord: true)
        padding = max(JSONRecordDecoder.padding, AvroRecordDecoder.padding, ProtobufRecordDecoder.padding)
    }

    private static func reader(of schema: AvroSchema, _ paths: [FieldPath]) -> Reader {
        var isRecord = false
        if case .record = schema[schema.root].shape { isRecord = true }
        return Reader(decoder: AvroRecordDecoder(schema, paths: paths), isJSON: false, isRecord: isRecord)
    }

    // MARK: Schemas

    /// Whether a message without headers is so plainly JSON that nothing else need be asked about it.
    @inline(__always)
    private func isPlain(_ message: UnsafeRawBufferPointer) -> Bool {
        guard isJSON, let first = message.first else { return false }
        return first > 0x03 && first != 0xC3 && first != 0x4F
    }

    /// The schema of a message, if it has to be learned before.
    ///
    /// - Parameter header: what its headers say of its schema; nil: nothing. The same below.
    public func missing(in message: UnsafeRawBufferPointer, header: SchemaHeader?) -> SchemaID? {
        if header == nil, isPlain(message) { return nil }
        let framing = framing(of: message, header)
        let id = framing.schema
        guard id != last, id.kind != .none, id.kind != .fingerprint, registry != nil, entries[id] == nil else {
            return nil
        }
        // Another registry's.
        if let registry = framing.form.registry, registry != naming.kind { return nil }
        if id.kind == .named, let name = header?.name { names?.note(name, for: id) }
        return id
    }

    /// Takes in what was found.
    public func learn(_ id: SchemaID, _ found: SchemaResolver.Found) {
        var unnamed: String?
        if case .schema(_, let message) = plain { unnamed = message }
        last = .none
        switch found {
        case .none(let words):
            unknown.append(id)
            entries[id] = .refused(DecodingFailure(.unknownSchema, "names schema \(self.words(for: id)), \(words)"))
        case .schema(let schema):
            if case .json(let outline?, _) = schema.content { jsonOutlines[id] = outline }
            entries[id] =
                switch schema.content {
                case .avro(let schema): .reader(Self.reader(of: schema, paths))
                case .protobuf(let schema):
                    .reader(
                        Reader(
                            decoder: json, isJSON: false, isRecord: true,
                            messages: ProtobufMessages(schema, paths, unnamed, messageIndexes)))
                case .json(_, let types): .reader(reader(ofJSON: types))
                case .unreadable(let words):
                    .refused(
                        DecodingFailure(
                            .unknownSchema, "names schema \(self.words(for: id))\(schema.place), which \(words)"))
                }
        }
    }

    private func reader(ofJSON types: String?) -> Reader {
        guard let types, let typed = TypedJSONDecoder(paths: paths, types: types) else {
            return Reader(decoder: json, isJSON: true, isRecord: true)
        }
        return Reader(decoder: typed, isJSON: false, isTypedJSON: true, isRecord: true)
    }

    private func words(for id: SchemaID) -> String { names?[id]?.description ?? id.description }

    /// Begins another lot of messages: what was unknown may be known by now, and more plans than any topic has are not kept.
    public func forgetUnknown() {
        if entries.count > Self.mostReaders + unknown.count {
            entries.removeAll()
            jsonOutlines.removeAll()
            last = .none
        }
        for id in unknown { entries[id] = nil }
        unknown.removeAll(keepingCapacity: true)
    }

    /// What a message says of its schema.
    public func framing(of message: UnsafeRawBufferPointer, _ header: SchemaHeader?) -> Framing {
        if let header { return Framing(header.form, header.schema, payload: 0) }
        if looksBefore { return Framing(of: message, naming) }
        if case .schema(let id, _) = plain { return Framing(.none, id, payload: 0) }
        let framing = Framing(of: message, naming)
        return framing.form == .singleObject && framing.schema == ownFingerprint ? framing : .none
    }

    // MARK: Messages

    public func decode(_ message: UnsafeRawBufferPointer) throws(DecodingFailure) -> UnsafeBufferPointer<Field> {
        try decode(message, header: nil)
    }

    public func decode(
        _ message: UnsafeRawBufferPointer, header: SchemaHeader?
    ) throws(DecodingFailure) -> UnsafeBufferPointer<Field> {
        if header == nil, isPlain(message) {
            framing = .none
            (wasJSON, wasTypedJSON) = (true, false)
            return try json.decode(message)
        }
        return try decodeFramed(message, header)
    }

    @inline(never)
    private func decodeFramed(
        _ message: UnsafeRawBufferPointer, _ header: SchemaHeader?
    ) throws(DecodingFailure) -> UnsafeBufferPointer<Field> {
        framing = framing(of: message, header)
        (wasJSON, wasTypedJSON, inflated) = (false, false, nil)
        var reader = try reader(framing)
        if header?.isJSON ?? false, !reader.isJSON, !reader.isTypedJSON {
            throw DecodingFailure(
                .unknownSchema,
                "is Avro in its encoding as JSON, which is not read: have it written in the binary one "
                    + "(apicurio.registry.avro.encoding=BINARY)")
        }
        var message = message
        if framing.isCompressed {
            message = try inflate(UnsafeRawBufferPointer(rebasing: message[framing.payload...]))
            (inflated, framing.payload) = (message, 0)
        }
        if let messages = reader.messages {
            let named = try messages.decoder(of: message, header, framing)
            (reader.decoder, framing.payload) = (named.decoder, named.payload)
        }
        opened = reader.decoder
        (wasJSON, wasTypedJSON) = (reader.isJSON, reader.isTypedJSON)
        do throws(DecodingFailure) {
            return try reader.decoder.decode(UnsafeRawBufferPointer(rebasing: message[framing.payload...]))
        } catch {
            // By a schema of the route's own its first bytes might have been anything.
            if framing.form == .none, !looksBefore { try explain(message) }
            var failure = error
            failure.offset = failure.offset.map { $0 + framing.payload }
            throw failure
        }
    }

    private func inflate(_ bytes: UnsafeRawBufferPointer) throws(DecodingFailure) -> UnsafeRawBufferPointer {
        do throws(DecodingFailure) {
            return try decompressor.inflate(bytes, padding: padding)
        } catch {
            guard error.offset != nil || error.words.contains("content-encoding") else { throw error }
            throw DecodingFailure(
                .invalidSyntax, "is not compressed by zlib as its second byte says", offset: error.offset)
        }
    }

    /// Says what a message is that is not of the route's own schema.
    private func explain(_ message: UnsafeRawBufferPointer) throws(DecodingFailure) {
        switch Framing(of: message).form {
        case .avroFile: throw Self.avroFile
        case .singleObject: throw Self.otherObject(Framing(of: message).schema)
        default: break
        }
    }

    private static let avroFile = DecodingFailure(
        .unknownSchema, "is an Avro file of many records with their schema, and no message of one; read it as a file")

    private static func otherObject(_ schema: SchemaID) -> DecodingFailure {
        DecodingFailure(
            .unknownSchema,
            "is in Avro's single-object encoding, of a schema that is not the route's: \(schema)")
    }

    private func reader(_ framing: Framing) throws(DecodingFailure) -> Reader {
        if let registry = framing.form.registry {
            guard self.registry == nil || registry == naming.kind else {
                throw DecodingFailure(
                    .unknownSchema,
                    "names schema \(words(for: framing.schema)) as messages of \(registry.name) do, and the registry that is "
                        + "configured is of another kind (\(naming.kind.rawValue))")
            }
            return try reader(framing.schema)
        }
        switch framing.form {
        case .singleObject:
            if let own, framing.schema == ownFingerprint { return own }
            throw Self.otherObject(framing.schema)
        case .avroFile: throw Self.avroFile
        default:
            if let own { return own }
            if framing.schema.kind != .none { return try reader(framing.schema) }
            guard isJSON else {
                throw DecodingFailure(.unknownSchema, "names no schema, neither before it nor in a header")
            }
            return Reader(decoder: json, isJSON: true, isRecord: true)
        }
    }

    private func reader(_ id: SchemaID) throws(DecodingFailure) -> Reader {
        if id == last { return lastReader }
        guard registry != nil else {
            throw DecodingFailure(
                .unknownSchema, "names schema \(words(for: id)) of a registry, and none is configured")
        }
        switch entries[id] {
        case .reader(let reader):
            (last, lastReader) = (id, reader)
            return reader
        case .refused(let failure): throw failure
        case nil:
            throw DecodingFailure(.unknownSchema, "names schema \(words(for: id)), which could not be looked up")
        }
    }

    /// Whether a key has fields, and is no value by itself. Of a schema that is not known it is said to have, so that
    /// whoever decodes it hears why not.
    public func hasFields(_ key: UnsafeRawBufferPointer, header: SchemaHeader?) -> Bool {
        let framing = framing(of: key, header)
        guard framing != .none else {
            if isJSON { return key.first == UInt8(ascii: "{") }
            return own?.isRecord ?? true
        }
        // Whoever decodes it sees what it is.
        guard let reader = try? reader(framing), !framing.isCompressed || !reader.isJSON else { return true }
        return reader.isJSON
            ? key.dropFirst(framing.payload).first == UInt8(ascii: "{") : reader.isRecord
    }

    /// What was in the envelope of Connect's that the last message was; nil: it was none.
    public var payload: Field? { wasJSON ? json.payload : nil }

    /// Whether what a message says of its schema leads to JSON.
    public func isJSON(_ framing: Framing) -> Bool { (try? reader(framing))?.isJSON ?? false }

    public var outline: SchemaOutline? { jsonOutlines[framing.schema] ?? (wasJSON ? nil : opened.outline) }

    public func visit(
        _ container: Field, _ body: (_ name: UnsafeRawBufferPointer, _ value: Field) -> Bool
    ) throws(DecodingFailure) {
        try opened.visit(container, body)
    }

    public func number(of record: Field) -> Field? { opened.number(of: record) }
}

extension RegisteredSchema {
    /// ` (orders-value, version 3)`, as far as it is known.
    var place: String {
        switch (subject, version) {
        case (let subject?, let version?): " (\(subject), version \(version))"
        case (let subject?, nil): " (\(subject))"
        default: ""
        }
    }
}
