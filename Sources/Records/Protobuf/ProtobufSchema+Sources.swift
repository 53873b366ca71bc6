import SwiftProtobuf

/// A file that defines types: as people write it, or as a compiler has made it.
public enum ProtobufSource: Sendable, Equatable {
    /// Of a `.proto` file, in UTF-8.
    case text([UInt8])
    /// A `FileDescriptorSet`, as `protoc --include_imports --descriptor_set_out` and `buf build` write it, or a single
    /// `FileDescriptorProto`, as registries have it.
    case descriptors([UInt8])

    var bytes: [UInt8] {
        switch self {
        case .text(let bytes), .descriptors(let bytes): bytes
        }
    }
}

extension ProtobufSchema {
    /// What all files of a schema may have together, and how many they may be.
    private enum SourceLimit {
        static let bytes = 8 << 20
        static let files = 1000
    }

    /// - Parameters:
    ///   - source: the file whose messages are read. It is the file 0 of `message(_:inFile:)`; of a descriptor set that is
    ///     the first one.
    ///   - name: what it is called in mistakes.
    ///   - others: files by the names that they are imported by, all of which belong to the schema.
    public init(
        _ source: ProtobufSource, named name: String, with others: [(name: String, source: ProtobufSource)]
    ) throws(ProtobufSchemaFailure) {
        let known = Dictionary(others.map { ($0.name, $0.source) }) { first, _ in first }
        try self.init(source, named: name, others: others.map(\.name), imports: { known[$0] })
    }

    /// - Parameter imports: a file by the name that it is imported by; nil where it is not to be had, which is no mistake as
    ///   long as no field is of a type in it. Those that everybody has are asked for first, and need not be had.
    /// - Throws: for texts that are none, with the line and the column, and types that are not whole.
    public init(
        _ source: ProtobufSource, named name: String, imports: (String) -> ProtobufSource? = { _ in nil }
    ) throws(ProtobufSchemaFailure) {
        try self.init(source, named: name, others: [], imports: imports)
    }

    private init(
        _ source: ProtobufSource, named name: String, others: [String], imports: (String) -> ProtobufSource?
    ) throws(ProtobufSchemaFailure) {
        var files: [(descriptor: Google_Protobuf_FileDescriptorProto, source: ProtoParser.Source?)] = []
        var size = 0
        func add(_ source: ProtobufSource, _ name: String) throws(ProtobufSchemaFailure) {
            size += source.bytes.count
            guard size <= SourceLimit.bytes, files.count < SourceLimit.files else {
                throw ProtobufSchemaFailure(
                    code: .tooLarge, place: name, words: "is with all that it imports more than 8 MiB, or 1000 files")
            }
            switch source {
            case .text(let text):
                let parsed = try ProtoParser.parse(text, name: name)
                files.append((parsed.descriptor, parsed))
            case .descriptors(let bytes):
                var made = try Self.files(in: bytes)
                // Some registries know no name, or another than who imports it.
                if made.count == 1, !files.isEmpty { made[0].name = name }
                files += made.map { ($0, nil) }
            }
        }
        try add(source, name)
        // Where a registry calls a file as its subject, another one may be imported by that name.
        var known = Set(files.map(\.descriptor.name)).subtracting(others)
        let wellKnown = try Self.wellKnown()
        var place = 0
        while place < files.count {
            let wanted = files[place].descriptor.dependency + (place == 0 ? others : [])
            for imported in wanted where known.insert(imported).inserted {
                if let source = imports(imported) {
                    try add(source, imported)
                } else if let file = wellKnown.first(where: { $0.name == imported }) {
                    files.append((file, nil))
                }
            }
            place += 1
        }
        try self.init(files: try ProtoLinker.link(files))
    }

    /// The package of a `.proto` file; empty where it has none, or the text is none.
    public static func package(ofText text: [UInt8]) -> String {
        (try? ProtoParser.parse(text, name: ""))?.descriptor.package ?? ""
    }
}
