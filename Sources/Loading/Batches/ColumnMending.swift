import Postgres

/// What a route does to one column's values on their way: compiled once, and nothing where a route asks for nothing.
///
/// In this order: white space goes, texts that mean nothing become null, what is null or absent gets the default, the rest
/// is encoded, and what the column cannot hold becomes NULL where the route says so.
package final class ColumnMending: Sendable {
    private let trims: Bool
    private let nulls: [[UInt8]]
    /// The default or the constant, as a field of COPY in the target's format.
    package let fixed: [UInt8]?
    /// What does not fit becomes NULL; nobody is asked for a mend of a dead letter then.
    package let nullsUnfit: Bool

    init(trims: Bool = false, nulls: [String] = [], fixed: [UInt8]? = nil, nullsUnfit: Bool = false) {
        self.trims = trims
        self.nulls = nulls.map { Array($0.utf8) }
        self.fixed = fixed
        self.nullsUnfit = nullsUnfit
    }

    /// Appends the field that comes of a value.
    ///
    /// - Throws: why it does not fit, `null` with the kind that was found where no null is taken; the buffer then is as it
    ///   was before.
    func encode(
        _ value: InputValue, with encoder: ColumnEncoder, refusesNull: Bool, into buffer: inout CopyBuffer,
        containers: any ContainerReader
    ) throws(EncodingFailure) {
        let mended = self.mended(value, &buffer)
        if mended.kind != .null {
            let start = buffer.count
            try encoder.encode(mended, into: &buffer, containers: containers)
            // A document that was decoded may be null as a whole.
            guard fixed != nil, buffer.endsWithNull(from: start, encoder.format) else { return }
            buffer.truncate(to: start)
        }
        if fixed != nil { return appendFixed(to: &buffer) }
        if refusesNull { throw EncodingFailure(.null, found: value.kind) }
        buffer.append(field: nil, isFirst: true, encoder.format)
    }

    func appendFixed(to buffer: inout CopyBuffer) {
        fixed?.withUnsafeBytes { buffer.append($0) }
    }

    /// A string without the white space around it, or null; what is nested stays.
    ///
    /// - Parameter buffer: has room for a text, and is as it was behind this.
    private func mended(_ value: InputValue, _ buffer: inout CopyBuffer) -> InputValue {
        var value = value
        if trims, value.kind == .string { value = InputValue(.string, value.bytes.trimmingUnicodeWhitespace) }
        if nulls.isEmpty { return value }
        let isNull =
            switch value.kind {
            case .string, .number, .bytes: nulls.contains { value.bytes.elementsEqual($0) }
            case .true: nulls.contains { $0.elementsEqual("true".utf8) }
            case .false: nulls.contains { $0.elementsEqual("false".utf8) }
            case .null, .array, .object, .list, .record: false
            case .integer, .unsigned, .double, .float, .decimal, .day, .timeOfDay, .instant, .localTime, .interval,
                .uuid, .symbol:
                isNull(textOf: value, &buffer)
            }
        return isNull ? InputValue(.null) : value
    }

    private func isNull(textOf value: InputValue, _ buffer: inout CopyBuffer) -> Bool {
        let start = buffer.count
        defer { buffer.truncate(to: start) }
        // What has no text is none of these.
        guard (try? buffer.append(textOf: value)) != nil else { return false }
        let text = UnsafeRawBufferPointer(rebasing: buffer.bytes[start...])
        return nulls.contains { text.elementsEqual($0) }
    }
}

/// A value that became NULL because its column could not hold it.
package struct NulledValue: Sendable, Equatable {
    /// The message's place in its batch.
    var message: Int32
    var target: Int32
    /// The column's position in the target.
    var column: Int32
}

extension CopyBuffer {
    /// Whether the field that has just been written is a null: no length, or `\N`.
    @inline(__always)
    func endsWithNull(from start: Int, _ format: Target.Format) -> Bool {
        format == .binary
            ? bytes.loadUnaligned(fromByteOffset: start, as: Int32.self) == -1
            : bytes.count == start + 2 && bytes[start] == UInt8(ascii: "\\") && bytes[start + 1] == UInt8(ascii: "N")
    }
}

extension UnsafeRawBufferPointer {
    /// UTF-8 without what Unicode calls `White_Space` at both ends: also the no-break space and the ideographic one.
    var trimmingUnicodeWhitespace: UnsafeRawBufferPointer {
        var start = 0
        var end = count
        while start < end {
            let length = whitespace(from: start, to: end)
            if length == 0 { break }
            start += length
        }
        while end > start {
            guard let length = (1...3).first(where: { end - $0 >= start && whitespace(from: end - $0, to: end) == $0 })
            else { break }
            end -= length
        }
        return UnsafeRawBufferPointer(rebasing: self[start..<end])
    }

    /// How many bytes of white space begin at `start`; 0 if it is something else.
    private func whitespace(from start: Int, to end: Int) -> Int {
        let first = self[start]
        if first == 0x20 || first &- 0x09 < 5 { return 1 }
        guard first >= 0xC2, end - start >= 2 else { return 0 }
        let second = self[start + 1]
        if first == 0xC2 { return second == 0x85 || second == 0xA0 ? 2 : 0 }
        guard end - start >= 3 else { return 0 }
        switch (first, second, self[start + 2]) {
        case (0xE1, 0x9A, 0x80), (0xE2, 0x80, 0x80...0x8A), (0xE2, 0x80, 0xA8...0xA9), (0xE2, 0x80, 0xAF),
            (0xE2, 0x81, 0x9F), (0xE3, 0x80, 0x80):
            return 3
        default: return 0
        }
    }
}
