import Postgres

/// A column's encoder in the format that its whole table is copied in.
enum ColumnEncoder: Sendable {
    case binary(BinaryEncoder)
    case text(TextEncoder)

    var format: Target.Format {
        if case .binary = self { .binary } else { .text }
    }

    /// Nil for a text encoder.
    var unretained: BinaryEncoder.Unretained? {
        if case .binary(let encoder) = self { BinaryEncoder.Unretained(encoder) } else { nil }
    }

    @inline(__always)
    func encode(
        _ value: InputValue, into buffer: inout CopyBuffer, containers: any ContainerReader
    ) throws(EncodingFailure) {
        switch self {
        case .binary(let encoder): try encoder.encode(value, into: &buffer, containers: containers)
        case .text(let encoder): try encoder.encode(value, into: &buffer, containers: containers)
        }
    }
}
