/// The frame around the rows of `COPY … (FORMAT binary)`.
///
/// A row is an `Int16` with its number of columns, then each column as `BinaryEncoder` writes it.
/// Source: PostgreSQL's documentation of COPY, "Binary Format".
public enum BinaryCopy {
    /// Appends the signature, no flags, and an empty extension: 19 bytes.
    public static func appendHeader(to buffer: inout CopyBuffer) {
        buffer.append(0x5047_434F_5059_0AFF as Int64)  // "PGCOPY\n\377"
        buffer.append(byte: 0x0D)
        buffer.append(byte: 0x0A)
        buffer.append(byte: 0)
        buffer.append(0 as Int32)
        buffer.append(0 as Int32)
    }

    /// Appends the end mark: a row of -1 columns.
    public static func appendTrailer(to buffer: inout CopyBuffer) {
        buffer.append(-1 as Int16)
    }
}
