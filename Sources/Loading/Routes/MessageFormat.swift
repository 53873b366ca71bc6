import Records
import Schemas

/// How the keys or the values of a route's messages are read, and what is said of those that cannot be.
package struct MessageFormat: Sendable {
    /// How messages are read that say themselves which schema they are of.
    struct Framed: Sendable {
        /// What they are without that.
        var plain: FramedDecoder.Plain
        /// What is known of schemas; nil: nobody can be asked.
        var schemas: SchemaSource?
        var messageIndexes: MessageIndexes.Numbers

        func decoder(_ paths: [FieldPath]) -> FramedDecoder {
            schemas.map {
                FramedDecoder(paths: paths, plain: plain, schemas: $0, messageIndexes: messageIndexes)
            } ?? FramedDecoder(paths: paths, plain: plain, registry: nil)
        }
    }

    /// Makes a decoder, for one thread, that picks the fields of these paths.
    package var decoder: @Sendable (_ paths: [FieldPath]) -> any RecordDecoder
    /// Whether a key is one with fields, and no plain value.
    var hasFields: @Sendable (_ key: UnsafeRawBufferPointer) -> Bool
    /// What a value is that the decoder refuses, for whoever has to find the producer; nil where the bytes tell no more
    /// than the decoder does.
    var describe: @Sendable (_ value: UnsafeRawBufferPointer, _ failure: DecodingFailure) -> String?
    /// The dead letters of messages that are not of this format.
    var refusal: DeadLetter.Reason
    /// What the decoder takes is JSON, which json and jsonb take as it is.
    var isJSON: Bool
    /// Nil where no message says anything of its schema.
    var framed: Framed?
    /// All of a value or key is what the decoder says of it, and not its bytes.
    var isWhole = false
    /// That is the record for a column that takes JSON, and for all others the text that it is.
    var isText = false

    package static let json = MessageFormat(
        decoder: { ConnectJSONDecoder(paths: $0) }, hasFields: { $0.first == UInt8(ascii: "{") },
        describe: { ForeignPayload.description(of: $0, $1) }, refusal: .invalidJSON, isJSON: true)

    /// Avro's binary encoding, by the schema that all messages are of, without anything before it.
    package static func avro(_ schema: AvroSchema) -> MessageFormat {
        var hasFields = false
        if case .record = schema[schema.root].shape { hasFields = true }
        return MessageFormat(
            decoder: { AvroRecordDecoder(schema, paths: $0) }, hasFields: { [hasFields] _ in hasFields },
            describe: { _, _ in nil }, refusal: .badSyntax, isJSON: false)
    }

    package static let messagePack = MessageFormat(
        decoder: { MessagePackRecordDecoder(paths: $0) }, hasFields: { MessagePackRecordDecoder.isMap($0) },
        describe: { _, _ in nil }, refusal: .badSyntax, isJSON: false, isWhole: true)

    package static let cbor = MessageFormat(
        decoder: { CBORRecordDecoder(paths: $0) }, hasFields: { CBORRecordDecoder.isMap($0) },
        describe: { _, _ in nil }, refusal: .badSyntax, isJSON: false, isWhole: true)

    /// - Parameter isMany: each message is many records.
    package static func csv(_ dialect: CSVDialect, isMany: Bool = false) -> MessageFormat {
        MessageFormat(
            decoder: { CSVRecordDecoder(dialect, isMany: isMany, paths: $0) }, hasFields: { _ in true },
            describe: { _, _ in nil },
            refusal: .badSyntax, isJSON: false, isWhole: true, isText: true)
    }

    /// A message of Protobuf that all are of, by its place in the schema, without anything before it.
    package static func protobuf(_ schema: ProtobufSchema, message: Int) -> MessageFormat {
        MessageFormat(
            decoder: { ProtobufRecordDecoder(schema, message: message, paths: $0) }, hasFields: { _ in true },
            describe: { _, _ in nil }, refusal: .badSyntax, isJSON: false)
    }

    /// One value, and no record.
    package static func plain(_ form: PlainDecoder.Form) -> MessageFormat {
        MessageFormat(
            decoder: { PlainDecoder(form, paths: $0) }, hasFields: { _ in false }, describe: { _, _ in nil },
            refusal: .badSyntax, isJSON: false,
            // Bytes may be a text or a document to a column that takes such.
            isWhole: form != .bytes)
    }

    /// Each message by what it says itself.
    package static func framed(
        _ plain: FramedDecoder.Plain, _ schemas: SchemaSource?, _ messageIndexes: MessageIndexes.Numbers = .zigzag
    ) -> MessageFormat {
        let framed = Framed(plain: plain, schemas: schemas, messageIndexes: messageIndexes)
        var format = MessageFormat.json
        format.decoder = { framed.decoder($0) }
        format.framed = framed
        if case .json = plain { return format }
        format.isJSON = false
        format.refusal = .badSyntax
        return format
    }
}

extension MessageFormat {
    /// How the values of a route's messages are read.
    package init(valuesOf route: Route, _ schemas: SchemaSource?) {
        switch route.format {
        case .json: self = .json
        case .auto: self = .framed(.json, schemas, route.messageIndexes)
        case .avro, .protobuf: self = .framed(route.unnamed(schemas), schemas, route.messageIndexes)
        case .csv: self = .csv(route.csv, isMany: route.each?.isMessage ?? false)
        case .msgpack: self = .messagePack
        case .cbor: self = .cbor
        case .text: self = .plain(.text)
        case .bytes: self = .plain(.bytes)
        case .short: self = .plain(.short)
        case .int: self = .plain(.int)
        case .long: self = .plain(.long)
        case .float: self = .plain(.float)
        case .double: self = .plain(.double)
        case .uuid: self = .plain(.uuid)
        }
    }

    /// How the keys are. Where nobody knows schemas, nothing before a key is taken for one: keys are often plain bytes.
    package init(keysOf route: Route, _ schemas: SchemaSource?) {
        switch route.keyFormat {
        case .json: self = .json
        case .auto: self = schemas == nil ? .json : .framed(.json, schemas, route.messageIndexes)
        case .avro, .protobuf: self = .framed(.nothing, schemas, route.messageIndexes)
        case .msgpack: self = .messagePack
        case .cbor: self = .cbor
        case .text: self = .plain(.text)
        case .bytes: self = .plain(.bytes)
        case .short: self = .plain(.short)
        case .int: self = .plain(.int)
        case .long: self = .plain(.long)
        case .float: self = .plain(.float)
        case .double: self = .plain(.double)
        case .uuid: self = .plain(.uuid)
        }
    }
}

extension MessageFormat {
    /// Whether all of a message may be something else than its bytes.
    var decodesWhole: Bool { isWhole || framed != nil }
}

extension Route {
    /// What messages are that do not say it.
    fileprivate func unnamed(_ schemas: SchemaSource?) -> FramedDecoder.Plain {
        switch schemaFile?.content {
        case .avro(let schema): return .avro(schema)
        case .protobuf(let schema):
            // The configuration's rules have seen to it that there is one.
            guard let message = schema.message(forRoute: schemaMessage) else { return .nothing }
            return .protobuf(schema, message: message)
        case nil: break
        }
        if let number = schemaID { return .schema(.number(number), message: schemaMessage) }
        guard let subject = schemaSubject, let schemas else { return .nothing }
        return .schema(schemas.newest(ofSubject: subject), message: schemaMessage)
    }

    /// What tells the ways of reading messages apart: routes of a topic that have the same read each message once.
    struct Reading: Hashable {
        var format: Format
        var keyFormat: KeyFormat
        var schema: String
        var messageIndexes: MessageIndexes.Numbers
        var csv: CSVDialect
        var isMany: Bool
    }

    var reading: Reading {
        let schema =
            schemaFile.map { "file \($0.path)" } ?? schemaID.map { "\($0)" } ?? schemaSubject.map { "of \($0)" }
        let message = schemaMessage.map { " \($0)" } ?? ""
        return Reading(
            format: format, keyFormat: keyFormat, schema: (schema ?? "") + message,
            messageIndexes: messageIndexes, csv: csv, isMany: each?.isMessage ?? false)
    }
}

extension ProtobufSchema {
    /// The message that a route reads by this schema: the one that it names, or the only one.
    package func message(forRoute name: String?) -> Int? {
        if let name { return message(named: name) }
        return own.count == 1 ? own.first : nil
    }
}
