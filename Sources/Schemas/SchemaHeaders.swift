#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Finds among a message's headers those that name the schema of its value or its key. Of several of a name the last one
/// counts, as for the clients that write them.
///
/// Sources: Confluent's serializers (`__value_schema_id`); `KafkaSerdeHeaders` and `ProtobufSerdeHeaders` of Apicurio; Azure's
/// libraries for Kafka.
public struct SchemaHeaders {
    private let kind: RegistryKind
    private let isOfKey: Bool
    /// Confluent's and Azure's, which are one each.
    private var only: UnsafeRawBufferPointer?
    private var apicurio: Apicurio?

    private struct Apicurio {
        var isThere = false
        var globalID: UnsafeRawBufferPointer?
        var contentID: UnsafeRawBufferPointer?
        var contentHash: UnsafeRawBufferPointer?
        var group: UnsafeRawBufferPointer?
        var artifact: UnsafeRawBufferPointer?
        var version: UnsafeRawBufferPointer?
        var encoding: UnsafeRawBufferPointer?
        var message: UnsafeRawBufferPointer?

        var header: SchemaHeader? {
            guard var header = schema else { return nil }
            header.message = message ?? header.message
            header.isJSON = encoding?.equals("JSON") ?? false
            return header
        }

        /// The most exact one goes first.
        private var schema: SchemaHeader? {
            if let id = Self.number(contentID) { return SchemaHeader(.content(id), .apicurioHeader) }
            if let id = Self.number(globalID) { return SchemaHeader(.global(id), .apicurioHeader) }
            if let hash = Self.short(contentHash) {
                var header = SchemaHeader(.named(hash, nil, nil), .apicurioHeader)
                header.hash = hash
                return header
            }
            guard let artifact = Self.short(artifact) else { return nil }
            let (group, version) = (Self.short(group), Self.short(version))
            var header = SchemaHeader(.named(artifact, group, version), .apicurioHeader)
            (header.artifact, header.group, header.version) = (artifact, group, version)
            return header
        }

        private static func number(_ value: UnsafeRawBufferPointer?) -> UInt64? {
            guard let value, value.count == 8 else { return nil }
            let number = Int64(bigEndian: value.loadUnaligned(as: Int64.self))
            return number > 0 ? UInt64(number) : nil
        }

        /// Apicurio's own names have at most 512 characters.
        private static func short(_ value: UnsafeRawBufferPointer?) -> UnsafeRawBufferPointer? {
            guard let value, !value.isEmpty, value.count <= 2048 else { return nil }
            return value
        }
    }

    public init(_ naming: SchemaNaming, ofKey isOfKey: Bool) {
        kind = naming.kind
        if naming.kind == .apicurio { apicurio = Apicurio() }
        self.isOfKey = isOfKey
    }

    /// Takes in the next header.
    @inline(__always)
    public mutating func take(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) {
        switch kind {
        case .confluent: if name.equals(isOfKey ? "__key_schema_id" : "__value_schema_id") { only = value }
        // A message has one content type, that of its value.
        case .azure: if !isOfKey, name.equals("content-type") { only = value }
        case .apicurio: takeApicurio(name, value)
        case .glue: break
        }
    }

    private mutating func takeApicurio(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer?) {
        if name.equals(isOfKey ? "apicurio.protobuf.type.key" : "apicurio.protobuf.type") {
            apicurio?.message = value
            return
        }
        let prefix: StaticString = isOfKey ? "apicurio.key." : "apicurio.value."
        guard name.starts(with: prefix) else { return }
        let field = UnsafeRawBufferPointer(rebasing: name[prefix.utf8CodeUnitCount...])
        if field.equals("globalId") { apicurio?.globalID = value }
        if field.equals("contentId") { apicurio?.contentID = value }
        if field.equals("contentHash") { apicurio?.contentHash = value }
        if field.equals("groupId") { apicurio?.group = value }
        if field.equals("artifactId") { apicurio?.artifact = value }
        if field.equals("version") { apicurio?.version = value }
        if field.equals("encoding") { apicurio?.encoding = value }
        apicurio?.isThere = true
    }

    /// What they say; nil if none of them names a schema.
    public var header: SchemaHeader? {
        switch kind {
        case .confluent: only.flatMap { SchemaHeader(confluent: $0) }
        case .azure: only.flatMap { SchemaHeader(azure: $0) }
        case .apicurio: apicurio.flatMap { $0.isThere ? $0.header : nil }
        case .glue: nil
        }
    }
}

extension UnsafeRawBufferPointer {
    @inline(__always)
    fileprivate func equals(_ text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount && starts(with: text)
    }

    @inline(__always)
    fileprivate func starts(with text: StaticString) -> Bool {
        guard let baseAddress, count >= text.utf8CodeUnitCount else { return false }
        return memcmp(baseAddress, text.utf8Start, text.utf8CodeUnitCount) == 0
    }
}
