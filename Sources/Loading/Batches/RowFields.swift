import Postgres

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Takes a row of a section apart, field by field, in the order of the columns that it gives.
struct RowFields {
    /// The row's bytes, without the number of fields and without the newline.
    private let bytes: UnsafeRawBufferPointer
    private let isBinary: Bool
    private var position = 0

    init(_ row: Batch.Row, of section: Batch.Section, _ format: Target.Format) {
        isBinary = format == .binary
        let range = isBinary ? row.start + 2..<row.end : row.start..<row.end - 1
        bytes = UnsafeRawBufferPointer(rebasing: section.buffer.bytes[range])
    }

    /// The next field as it lies there: in binary with its length word, in text without what separates it from others.
    mutating func next() -> UnsafeRawBufferPointer {
        let start = position
        let end: Int
        if isBinary {
            let length = Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: start, as: Int32.self))
            end = start + 4 + max(0, Int(length))
            position = end
        } else {
            let tab = bytes.baseAddress.flatMap { memchr($0 + start, Int32(UInt8(ascii: "\t")), bytes.count - start) }
            end = tab.flatMap { tab in bytes.baseAddress.map { UnsafeRawPointer(tab) - $0 } } ?? bytes.count
            position = end + 1
        }
        return UnsafeRawBufferPointer(rebasing: bytes[start..<end])
    }

    /// What a field holds; nil for a null.
    static func value(of field: UnsafeRawBufferPointer, _ format: Target.Format) -> UnsafeRawBufferPointer? {
        if format == .binary {
            return field.loadUnaligned(as: Int32.self) == -1
                ? nil : UnsafeRawBufferPointer(rebasing: field.dropFirst(4))
        }
        // A text of these two characters has its backslash escaped.
        return field.count == 2 && field[0] == UInt8(ascii: "\\") && field[1] == UInt8(ascii: "N") ? nil : field
    }
}

extension CopyBuffer {
    /// Begins a row of COPY.
    mutating func beginRow(fields count: Int, _ format: Target.Format) {
        if format == .binary { append(Int16(truncatingIfNeeded: count)) }
    }

    /// Appends a field as `RowFields.next()` gives it; nil is a null.
    mutating func append(field: UnsafeRawBufferPointer?, isFirst: Bool, _ format: Target.Format) {
        if format == .text, !isFirst { append(byte: UInt8(ascii: "\t")) }
        if let field {
            append(field)
        } else if format == .binary {
            append(-1 as Int32)
        } else {
            append(byte: UInt8(ascii: "\\"))
            append(byte: UInt8(ascii: "N"))
        }
    }

    /// Appends an integer as a field: four bytes or eight in binary, behind another field.
    mutating func append<Integer: FixedWidthInteger>(integer: Integer, _ format: Target.Format) {
        if format == .binary {
            append(Int32(MemoryLayout<Integer>.size))
            withUnsafeBytes(of: integer.bigEndian) { append($0) }
        } else {
            append(byte: UInt8(ascii: "\t"))
            var digits = String(integer)
            digits.withUTF8 { append(UnsafeRawBufferPointer($0)) }
        }
    }

    mutating func endRow(_ format: Target.Format) {
        if format == .text { append(byte: UInt8(ascii: "\n")) }
    }
}
