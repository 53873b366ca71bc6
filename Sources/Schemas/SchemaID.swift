/// Which schema a message is of, as whoever wrote it says. Two words, so that to compare it with another is nothing.
public struct SchemaID: Hashable, Sendable {
    public enum Kind: UInt8, Sendable {
        /// The message names none.
        case none
        /// A number that a registry has given.
        case number
        /// What registries of Confluent give beside it, from version 8 on: the same in all of them. Versions of AWS Glue's and
        /// schemas of Azure's have one, too.
        case guid
        /// Apicurio's number of a text.
        case content
        /// Apicurio's number of a version of an artifact.
        case global
        /// Made from names, which `SchemaNames` keeps.
        case named
        /// CRC-64-AVRO of the schema itself.
        case fingerprint
        /// The newest of a subject, for messages that do not say it themselves.
        case subject
    }

    public var kind: Kind
    public var high: UInt64
    public var low: UInt64

    @inlinable
    init(_ kind: Kind, high: UInt64 = 0, low: UInt64) {
        self.kind = kind
        self.high = high
        self.low = low
    }

    public static let none = SchemaID(.none, low: 0)

    /// - Parameter number: as it stands in the message, also where it is none that a registry gives: zero, or negative.
    @inlinable
    public static func number(_ number: Int32) -> SchemaID {
        SchemaID(.number, low: UInt64(UInt32(bitPattern: number)))
    }

    @inlinable
    public static func guid(high: UInt64, low: UInt64) -> SchemaID { SchemaID(.guid, high: high, low: low) }

    @inlinable
    public static func content(_ number: UInt64) -> SchemaID { SchemaID(.content, low: number) }

    @inlinable
    public static func global(_ number: UInt64) -> SchemaID { SchemaID(.global, low: number) }

    /// By names. Other people's, so two of them must not be made to have one id: the hash is another in each process.
    static func named(
        _ name: UnsafeRawBufferPointer, _ group: UnsafeRawBufferPointer?, _ version: UnsafeRawBufferPointer?
    ) -> SchemaID {
        func hash(_ begin: Int) -> UInt64 {
            var hasher = Hasher()
            hasher.combine(begin)
            for part in [name, group, version] {
                hasher.combine(part?.count ?? -1)
                if let part { hasher.combine(bytes: part) }
            }
            return UInt64(truncatingIfNeeded: hasher.finalize())
        }
        return SchemaID(.named, high: hash(0), low: hash(1))
    }

    @inlinable
    public static func fingerprint(_ fingerprint: UInt64) -> SchemaID { SchemaID(.fingerprint, low: fingerprint) }

    /// - Parameter place: of the subject, among those of a `SchemaSource`.
    static func subject(_ place: Int) -> SchemaID { SchemaID(.subject, low: UInt64(place)) }

    /// The number, if it is one.
    public var number: Int32? { kind == .number ? Int32(bitPattern: UInt32(truncatingIfNeeded: low)) : nil }
}

extension SchemaID: CustomStringConvertible {
    /// `7`, `2e36e02e-e435-4ed2-af73-a90dd1e9b8ef`, `fingerprint 63dd24e7cc258f8a`
    public var description: String {
        switch kind {
        case .none: "none"
        case .number: String(Int32(bitPattern: UInt32(truncatingIfNeeded: low)))
        case .guid:
            [
                Self.hexadecimal(high >> 32, 8), Self.hexadecimal(high >> 16 & 0xFFFF, 4),
                Self.hexadecimal(high & 0xFFFF, 4), Self.hexadecimal(low >> 48, 4),
                Self.hexadecimal(low & 0xFFFF_FFFF_FFFF, 12),
            ].joined(separator: "-")
        case .fingerprint: "fingerprint \(Self.hexadecimal(low, 16))"
        case .content: "content id \(low)"
        case .global: "global id \(low)"
        case .named: "of a name"
        case .subject: "the newest of a subject"
        }
    }

    private static func hexadecimal(_ value: UInt64, _ digits: Int) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}
