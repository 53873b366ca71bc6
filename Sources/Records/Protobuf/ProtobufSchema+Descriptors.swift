import SwiftProtobuf

extension ProtobufSchema {
    /// What no honest schema reaches, and other people's may not pass.
    private enum Limit {
        static let bytes = 8 << 20
        static let types = 1 << 16
        static let fields = 1 << 17
        /// Types in types, as they are written.
        static let depth = 32
        /// The highest number of a field.
        static let number: UInt32 = 1 << 29 - 1
    }

    /// - Parameters:
    ///   - descriptors: a `FileDescriptorSet`, as `protoc --include_imports --descriptor_set_out` and `buf build` write it, or
    ///     a single `FileDescriptorProto`, as registries have it.
    ///   - imports: the same of files that it imports, in any order.
    /// - Throws: for bytes that are neither, and types that are not whole.
    public init(descriptors: [UInt8], imports: [[UInt8]] = []) throws(ProtobufSchemaFailure) {
        var files = try Self.files(in: descriptors)
        var size = descriptors.count
        for imported in imports {
            size += imported.count
            guard size <= Limit.bytes else { throw Self.tooLarge }
            files += try Self.files(in: imported)
        }
        try self.init(files: files)
    }

    private static let tooLarge = ProtobufSchemaFailure(
        code: .tooLarge, place: "", words: "the descriptors have more than 8 MiB")

    static func files(
        in descriptors: [UInt8]
    ) throws(ProtobufSchemaFailure) -> [Google_Protobuf_FileDescriptorProto] {
        guard descriptors.count <= Limit.bytes else { throw tooLarge }
        // A file's first field is its name, which is no file; so one of the two does not read as the other.
        if let set = try? Google_Protobuf_FileDescriptorSet(serializedBytes: descriptors), !set.file.isEmpty,
            set.unknownFields.data.isEmpty, set.file.allSatisfy({ !$0.name.isEmpty })
        {
            return set.file
        }
        if let file = try? Google_Protobuf_FileDescriptorProto(serializedBytes: descriptors), !file.name.isEmpty {
            return [file]
        }
        throw ProtobufSchemaFailure(code: .notDescriptors, place: "", words: "the bytes are no descriptors of Protobuf")
    }

    /// - Parameter files: in any order; those that are imported must be among them, or be one of those that everybody has.
    package init(files: [Google_Protobuf_FileDescriptorProto]) throws(ProtobufSchemaFailure) {
        var builder = Builder()
        for (place, file) in files.enumerated() { try builder.declare(file, place) }
        let given = Set(files.map(\.name))
        let imported = Set(files.flatMap(\.dependency))
        for (place, file) in try Self.wellKnown().enumerated() where !given.contains(file.name) {
            builder.declare(known: file, files.count + place)
        }
        try builder.define()
        self = builder.schema
        own = messages.indices.filter { place in
            let message = messages[place]
            return message.indexes.count == 1 && message.file < files.count
                && !imported.contains(files[message.file].name)
        }
    }

    /// Reads descriptors into types: first all names, then what they refer to.
    private struct Builder {
        var schema = ProtobufSchema()
        private var messages: [String: Int] = [:]
        private var enums: [String: Int] = [:]
        private var open: [(message: Int, descriptor: Google_Protobuf_DescriptorProto, features: Features)] = []
        private var fieldCount = 0

        // MARK: Names

        mutating func declare(
            _ file: Google_Protobuf_FileDescriptorProto, _ place: Int
        ) throws(ProtobufSchemaFailure) {
            var features = try Features(of: file)
            features.take(file.options.features)
            let scope = file.package.isEmpty ? "" : file.package + "."
            for (index, type) in file.messageType.enumerated() {
                try declare(type, scope, [Int32(index)], place, features)
            }
            for type in file.enumType { try declare(type, scope, features) }
        }

        /// A file that nobody has sent along; where its types were, in a file of another name, theirs count.
        mutating func declare(known file: Google_Protobuf_FileDescriptorProto, _ place: Int) {
            let types = file.messageType.map { "\(file.package).\($0.name)" }
            guard !types.contains(where: { messages[$0] != nil }) else { return }
            do throws(ProtobufSchemaFailure) { try declare(file, place) } catch {
                assertionFailure("\(file.name): \(error)")
            }
        }

        private mutating func declare(
            _ type: Google_Protobuf_DescriptorProto, _ scope: String, _ indexes: [Int32], _ file: Int,
            _ outer: Features
        ) throws(ProtobufSchemaFailure) {
            var features = outer
            features.take(type.options.features)
            let name = scope + type.name
            guard indexes.count <= Limit.depth, schema.messages.count + schema.enums.count < Limit.types else {
                throw ProtobufSchemaFailure(
                    code: .tooLarge, place: name, words: "is one type too many, or too deep in others")
            }
            guard messages[name] == nil, enums[name] == nil else {
                throw ProtobufSchemaFailure(code: .invalid, place: name, words: "is defined twice")
            }
            messages[name] = schema.messages.count
            open.append((schema.messages.count, type, features))
            schema.messages.append(
                Message(name: name, isMapEntry: type.options.mapEntry, indexes: indexes, file: file))
            for (index, nested) in type.nestedType.enumerated() {
                try declare(nested, name + ".", indexes + [Int32(index)], file, features)
            }
            for nested in type.enumType { try declare(nested, name + ".", features) }
        }

        private mutating func declare(
            _ type: Google_Protobuf_EnumDescriptorProto, _ scope: String, _ outer: Features
        ) throws(ProtobufSchemaFailure) {
            var features = outer
            features.take(type.options.features)
            let name = scope + type.name
            guard enums[name] == nil, messages[name] == nil else {
                throw ProtobufSchemaFailure(code: .invalid, place: name, words: "is defined twice")
            }
            guard !type.value.isEmpty, schema.messages.count + schema.enums.count < Limit.types else {
                throw ProtobufSchemaFailure(
                    code: .invalid, place: name, words: "is an enum without a value, or one type too many")
            }
            var made = Enum(name: name, isClosed: features.hasClosedEnums)
            var known: Set<Int32> = []
            for value in type.value where known.insert(value.number).inserted {
                made.values.append((value.number, value.name))
            }
            enums[name] = schema.enums.count
            schema.enums.append(made)
        }

        // MARK: Fields

        mutating func define() throws(ProtobufSchemaFailure) {
            for (message, descriptor, features) in open {
                var fields: [Field] = []
                for field in descriptor.field {
                    fields.append(try define(field, of: schema.messages[message].name, descriptor, features))
                }
                fields.sort { $0.number < $1.number }
                for (field, next) in zip(fields, fields.dropFirst()) where field.number == next.number {
                    throw ProtobufSchemaFailure(
                        code: .invalid, place: schema.messages[message].name,
                        words: "has two fields of the number \(field.number)")
                }
                fieldCount += fields.count
                guard fieldCount <= Limit.fields else {
                    throw ProtobufSchemaFailure(
                        code: .tooLarge, place: schema.messages[message].name, words: "has one field too many of all")
                }
                schema.messages[message].fields = fields
            }
            for message in schema.messages where message.isMapEntry {
                guard message.fields.map(\.number) == [1, 2], !message.fields.contains(where: \.isRepeated) else {
                    throw ProtobufSchemaFailure(code: .invalid, place: message.name, words: "is no entry of a map")
                }
            }
        }

        private func define(
            _ field: Google_Protobuf_FieldDescriptorProto, of message: String,
            _ descriptor: Google_Protobuf_DescriptorProto, _ outer: Features
        ) throws(ProtobufSchemaFailure) -> Field {
            var features = outer
            if field.hasOneofIndex, descriptor.oneofDecl.indices.contains(Int(field.oneofIndex)) {
                features.take(descriptor.oneofDecl[Int(field.oneofIndex)].options.features)
            }
            features.take(field.options.features)
            func failure(_ code: ProtobufSchemaFailure.Code, _ words: String) -> ProtobufSchemaFailure {
                ProtobufSchemaFailure(code: code, place: "\(message).\(field.name)", words: words)
            }
            guard field.number > 0, UInt32(field.number) <= Limit.number, !field.name.isEmpty else {
                throw failure(.invalid, "has no name, or a number that no field can have: \(field.number)")
            }
            // Maps lie as they always did, whatever their file says of other messages.
            if descriptor.options.mapEntry { features.isDelimited = false }
            let (kind, type) = try kind(of: field, in: message, features, failure)
            var made = Field(
                number: UInt32(field.number), name: field.name,
                jsonName: field.hasJsonName ? field.jsonName : ProtoParser.jsonName(field.name), kind: kind, type: type)
            made.isRepeated = field.label == .repeated
            // An optional field of proto3 lies in a oneof of its own, which is only a way to say it.
            if field.hasOneofIndex, !field.proto3Optional { made.oneof = Int(field.oneofIndex) }
            made.hasPresence =
                !made.isRepeated
                && (features.hasPresence || field.hasOneofIndex || field.proto3Optional || kind == .message
                    || kind == .group)
            return made
        }

        private func kind(
            of field: Google_Protobuf_FieldDescriptorProto, in message: String, _ features: Features,
            _ failure: (ProtobufSchemaFailure.Code, String) -> ProtobufSchemaFailure
        ) throws(ProtobufSchemaFailure) -> (Kind, Int) {
            if field.hasType, let scalar = Self.scalars[field.type] { return (scalar, 0) }
            guard !field.typeName.isEmpty else { throw failure(.invalid, "has no type") }
            let name = field.typeName
            if let place = resolve(name, in: message, messages), !field.hasType || field.type != .enum {
                let isGroup =
                    field.type == .group
                    || field.type == .message && features.isDelimited && !schema.messages[place].isMapEntry
                return (isGroup ? .group : .message, place)
            }
            if let place = resolve(name, in: message, enums) { return (.symbol, place) }
            throw failure(.unknownType, "is of the type \(name), which no file defines")
        }

        /// Full names begin with a point; others are looked for from the inside out.
        private func resolve(_ name: String, in message: String, _ types: [String: Int]) -> Int? {
            if name.hasPrefix(".") { return types[String(name.dropFirst())] }
            var scope = message[...]
            while true {
                if let found = types["\(scope).\(name)"] { return found }
                guard let point = scope.lastIndex(of: ".") else { return types[name] }
                scope = scope[..<point]
            }
        }

        private static let scalars: [Google_Protobuf_FieldDescriptorProto.TypeEnum: Kind] = [
            .double: .double, .float: .float, .int64: .int64, .uint64: .uint64, .int32: .int32, .fixed64: .fixed64,
            .fixed32: .fixed32, .bool: .bool, .string: .string, .bytes: .bytes, .uint32: .uint32, .sfixed32: .sfixed32,
            .sfixed64: .sfixed64, .sint32: .sint32, .sint64: .sint64,
        ]
    }

    /// What files, types and fields say of themselves where editions let them, and what the older syntaxes say by being old.
    private struct Features {
        var hasPresence: Bool
        var hasClosedEnums: Bool
        var isDelimited = false

        init(of file: Google_Protobuf_FileDescriptorProto) throws(ProtobufSchemaFailure) {
            switch file.syntax {
            case "", "proto2": (hasPresence, hasClosedEnums) = (true, true)
            case "proto3": (hasPresence, hasClosedEnums) = (false, false)
            case "editions":
                guard (1000...1001).contains(file.edition.rawValue) else {
                    throw ProtobufSchemaFailure(
                        code: .unsupportedEdition, place: file.name,
                        words: "is of an edition that is not known: \(file.edition.rawValue)")
                }
                (hasPresence, hasClosedEnums) = (true, false)
            default:
                throw ProtobufSchemaFailure(
                    code: .unsupportedEdition, place: file.name,
                    words: "is of a syntax that is not known: \(file.syntax)")
            }
        }

        mutating func take(_ features: Google_Protobuf_FeatureSet) {
            switch features.fieldPresence {
            case .explicit, .legacyRequired: hasPresence = true
            case .implicit: hasPresence = false
            default: break
            }
            switch features.enumType {
            case .open: hasClosedEnums = false
            case .closed: hasClosedEnums = true
            default: break
            }
            switch features.messageEncoding {
            case .lengthPrefixed: isDelimited = false
            case .delimited: isDelimited = true
            default: break
            }
        }
    }
}
