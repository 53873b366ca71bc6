/// A value for `$1`, `$2`, … of a query.
public enum QueryParameter: Sendable, Equatable {
    case null
    /// Text that the server reads with the input function of the type it infers.
    case text(String)
    /// Bytes in the binary form of the type `oid` (a `pg_type.oid`).
    case binary([UInt8], oid: UInt32)

    public static func int64(_ value: Int64) -> QueryParameter { .binary(networkBytes(value), oid: 20) }

    public static func int32(_ value: Int32) -> QueryParameter { .binary(networkBytes(value), oid: 23) }

    public static func bool(_ value: Bool) -> QueryParameter { .binary([value ? 1 : 0], oid: 16) }

    public static func bytea(_ value: [UInt8]) -> QueryParameter { .binary(value, oid: 17) }

    /// `bigint[]`
    public static func array(_ elements: [Int64]) -> QueryParameter {
        array(of: 20, arrayOid: 1016, elements.map(networkBytes))
    }

    /// `integer[]`
    public static func array(_ elements: [Int32]) -> QueryParameter {
        array(of: 23, arrayOid: 1007, elements.map(networkBytes))
    }

    /// `text[]`; nil is NULL.
    public static func array(_ elements: [String?]) -> QueryParameter {
        array(of: 25, arrayOid: 1009, elements.map { $0.map { Array($0.utf8) } })
    }

    /// `bytea[]`; nil is NULL.
    public static func array(_ elements: [[UInt8]?]) -> QueryParameter {
        array(of: 17, arrayOid: 1001, elements)
    }

    /// The binary form of a one-dimensional array, as `array_recv` in the server's arrayfuncs.c reads it.
    private static func array(of elementOid: UInt32, arrayOid: UInt32, _ elements: [[UInt8]?]) -> QueryParameter {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(20 + elements.reduce(0) { $0 + 4 + ($1?.count ?? 0) })
        bytes += networkBytes(Int32(elements.isEmpty ? 0 : 1))
        bytes += networkBytes(Int32(elements.contains(nil) ? 1 : 0))
        bytes += networkBytes(elementOid)
        if !elements.isEmpty {
            bytes += networkBytes(Int32(elements.count))
            bytes += networkBytes(Int32(1))
        }
        for element in elements {
            bytes += networkBytes(element.map { Int32($0.count) } ?? -1)
            if let element { bytes += element }
        }
        return .binary(bytes, oid: arrayOid)
    }
}

private func networkBytes(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.bigEndian) { Array($0) }
}
