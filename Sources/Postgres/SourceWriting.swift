/// How a producer that reads the rows of a database writes what JSON has no kind for, where no schema says it.
public struct SourceWriting: Sendable, Hashable {
    /// What bare numbers count in columns of times, by the names of Debezium's `time.precision.mode`.
    public enum Temporal: String, Sendable, CaseIterable {
        /// Milliseconds where the column has up to three digits behind the second, else microseconds.
        case adaptive
        /// The same, but times of day always in microseconds.
        case adaptiveTimeMicroseconds = "adaptive_time_microseconds"
        /// Milliseconds.
        case connect
        /// Texts, and no numbers.
        case isostring
        case microseconds, nanoseconds
    }

    /// What strings are in `numeric` columns, by the names of Debezium's `decimal.handling.mode`.
    public enum Decimals: String, Sendable, CaseIterable {
        /// Base64 of the bytes of the number without its point, which the column's scale sets.
        case precise
        /// Numbers in text.
        case string
    }

    /// Nil: nothing is said of times of day and timestamps.
    public var temporal: Temporal?
    /// Nil: a string that can be read in one way only is read so.
    public var decimals: Decimals?
    /// Debezium's ways: whole days for `date`, microseconds for `interval`, numbers as bytes, bits in base64.
    public var isDebezium: Bool

    public init(temporal: Temporal? = nil, decimals: Decimals? = nil, isDebezium: Bool = false) {
        self.temporal = temporal
        self.decimals = decimals
        self.isDebezium = isDebezium
    }
}

extension SourceWriting {
    /// What a bare number counts in a column.
    ///
    /// - Parameter digits: behind the second, as the column is declared; nil: six.
    func unit(of kind: ColumnForm.Kind, digits: Int?) -> EpochUnit? {
        switch kind {
        case .date: return isDebezium ? .days : nil
        case .interval: return isDebezium ? .microseconds : nil
        case .time, .timestamp, .timestamptz: break
        default: return nil
        }
        let adaptive = (digits ?? 6) <= 3 ? EpochUnit.milliseconds : .microseconds
        switch temporal {
        case .adaptive: return adaptive
        case .adaptiveTimeMicroseconds: return kind == .time ? .microseconds : adaptive
        case .connect: return .milliseconds
        case .microseconds: return .microseconds
        case .nanoseconds: return .nanoseconds
        case .isostring, nil: return nil
        }
    }
}

extension ColumnForm {
    // MARK: Numbers as bytes

    /// The number that a string or an object stands for by the way that its producer writes numbers; nil where it is what
    /// it is.
    func unscaled(
        _ value: InputValue, _ containers: any ContainerReader
    ) throws(EncodingFailure) -> InputValue? {
        guard let writing = options.writing, writing.isDebezium || writing.decimals != nil else { return nil }
        switch value.kind {
        case .string: return try unscaled(text: value, writing.decimals, containers)
        case .object:
            var (scale, text): (Int32?, InputValue?)
            for member in try containers.members(of: value) {
                if member.name == "scale" { scale = Int32(String(decoding: member.value.bytes, as: UTF8.self)) }
                if member.name == "value", member.value.kind == .string { text = member.value }
            }
            guard let scale, let text else { return nil }
            return decimal(try containers.bytes(of: text.bytes, decodedBy: .base64), scale)
        default: return nil
        }
    }

    private func unscaled(
        text value: InputValue, _ decimals: SourceWriting.Decimals?, _ containers: any ContainerReader
    ) throws(EncodingFailure) -> InputValue? {
        guard !containers.saysTypes else { return nil }
        // Padded, as all of Java's are.
        let mayBeBytes = value.bytes.count > 0 && value.bytes.count & 3 == 0
        switch decimals {
        case .string: return nil
        case .precise: break
        case nil:
            guard mayBeBytes, let bytes = try? containers.bytes(of: value.bytes, decodedBy: .base64) else { return nil }
            if DecimalText(value.bytes) != nil { throw EncodingFailure(.ambiguous, found: .string) }
            return decimal(bytes, try scale())
        }
        return decimal(try containers.bytes(of: value.bytes, decodedBy: .base64), try scale())
    }

    private func scale() throws(EncodingFailure) -> Int32 {
        guard let numericLimits else { throw EncodingFailure(.missingScale, found: .string) }
        return Int32(numericLimits.scale)
    }

    private func decimal(_ unscaled: UnsafeRawBufferPointer, _ scale: Int32) -> InputValue {
        InputValue(
            .decimal, UInt64(UInt(bitPattern: unscaled.baseAddress)),
            UInt64(UInt32(truncatingIfNeeded: unscaled.count)) | UInt64(UInt32(bitPattern: scale)) << 32)
    }

    // MARK: Bits and points

    /// Appends the digits of `bit(n)` whose bytes are a string; false for a value that is written as ever.
    func appendBits(
        _ value: InputValue, to buffer: inout CopyBuffer, _ containers: any ContainerReader
    ) throws(EncodingFailure) -> Bool {
        guard value.kind == .string else { return false }
        let areDigits = value.bytes.allSatisfy { $0 | 1 == UInt8(ascii: "1") }
        // No base64 of so many bits has as many letters, all of them digits.
        guard !(areDigits && value.bytes.count == bitCount) else { return false }
        let bytes = try containers.bytes(of: value.bytes, decodedBy: .base64)
        // Debezium leaves out bytes at the end that have no bit set.
        guard bytes.count <= (bitCount + 7) / 8 else { throw EncodingFailure(.badSyntax, found: .string) }
        for place in (0..<bitCount).reversed() {
            // The lowest come first.
            let isSet = place >> 3 < bytes.count && bytes[place >> 3] >> UInt8(place & 7) & 1 == 1
            buffer.append(byte: isSet ? UInt8(ascii: "1") : UInt8(ascii: "0"))
        }
        return true
    }

    /// Appends a `point` that is written as a record of `x` and `y`; false for any other value.
    func appendPoint(
        _ value: InputValue, to buffer: inout CopyBuffer, _ containers: any ContainerReader
    ) throws(EncodingFailure) -> Bool {
        guard value.kind.isRecord else { return false }
        let members = try containers.members(of: value)
        guard let x = members.first(where: { $0.name == "x" })?.value,
            let y = members.first(where: { $0.name == "y" })?.value
        else { throw EncodingFailure(.wrongType, found: value.kind) }
        buffer.append(byte: UInt8(ascii: "("))
        try appendText(x, to: &buffer)
        buffer.append(byte: UInt8(ascii: ","))
        try appendText(y, to: &buffer)
        buffer.append(byte: UInt8(ascii: ")"))
        return true
    }
}
