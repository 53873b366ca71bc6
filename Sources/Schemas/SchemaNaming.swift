/// How messages name their schemas. What stands before them does not say by itself whose it is: Confluent's four bytes and
/// Apicurio's eight both follow a 00.
public struct SchemaNaming: Sendable, Equatable {
    /// What a number before a message of Apicurio's counts: its serializers' `apicurio.registry.use-id`.
    public enum Numbers: String, Sendable, CaseIterable {
        /// Texts, each once.
        case content
        /// Versions of artifacts.
        case global
    }

    public var kind: RegistryKind
    /// Nil: contents in four bytes and versions in eight, as Apicurio's serializers of 3.x and of 2.x write them by default.
    public var numbers: Numbers?

    public init(_ kind: RegistryKind = .confluent, numbers: Numbers? = nil) {
        self.kind = kind
        self.numbers = numbers
    }

    /// - Parameter isLong: it stands in eight bytes.
    func id(ofNumber number: UInt64, isLong: Bool) -> SchemaID {
        switch numbers ?? (isLong ? .global : .content) {
        case .content: .content(number)
        case .global: .global(number)
        }
    }
}

/// A schema by names, as some of Apicurio's headers have it.
struct SchemaName: Sendable, Hashable, CustomStringConvertible {
    enum Form: Sendable, Hashable {
        /// SHA-256 of the text and of what it refers to, in hexadecimal.
        case hash(String)
        /// Of the version that is the newest where it has none.
        case artifact(String, group: String, version: String?)
    }

    var form: Form

    var description: String {
        switch form {
        case .hash(let hash): "of the content \(hash)"
        case .artifact(let artifact, let group, let version):
            "\(group)/\(artifact), \(version.map { "version \($0)" } ?? "its newest version")"
        }
    }
}
