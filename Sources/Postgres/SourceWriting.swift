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

    // MARK: Bits

    /// Appends the digits of `bit(n)` whose bytes are a string; false for a value that is written as ever.
    func appendBits(
        _ value: InputValue, to buffer: inout CopyBuffer, _ containers: any ContainerReader
    ) throws(EncodingFailure) -> Bool {
        guard value.kind == .string else { return false }
        let areDigits = value.bytes.allSatisfy { $0 | 1 == UInt8(ascii: "1") }
        if hasAnyBits {
            // Base64 has letters in fours, and who has a schema has read it.
            guard !containers.saysTypes, !areDigits || value.bytes.count & 3 == 0 else { return false }
        } else {
            // No base64 of so many bits has as many letters, all of them digits.
            guard !(areDigits && value.bytes.count == bitCount) else { return false }
        }
        let bytes = try containers.bytes(of: value.bytes, decodedBy: .base64)
        // How many there are is not told: as many as the column has, or all of them.
        let count = bitCount == .max ? bytes.count * 8 : bitCount
        // Debezium leaves out bytes at the end that have no bit set.
        guard bytes.count <= (count + 7) / 8 else { throw EncodingFailure(.badSyntax, found: .string) }
        for place in (0..<count).reversed() {
            // The lowest come first.
            let isSet = place >> 3 < bytes.count && bytes[place >> 3] >> UInt8(place & 7) & 1 == 1
            buffer.append(byte: isSet ? UInt8(ascii: "1") : UInt8(ascii: "0"))
        }
        return true
    }

    // MARK: Shapes

    /// Appends a shape that is written as a record of its bytes (`wkb`) and the number of its system (`srid`), as PostGIS has
    /// both in one: EWKB. False for any other value. Source: Debezium's documentation, `io.debezium.data.geometry.Geometry`.
    func appendShape(
        _ value: InputValue, to buffer: inout CopyBuffer, _ containers: any ContainerReader
    ) throws(EncodingFailure) -> Bool {
        guard value.kind.isRecord else { return false }
        let members = try containers.members(of: value)
        func member(_ name: String) -> InputValue? { members.last { $0.name == name }?.value }
        guard let wkb = member("wkb") else { return false }
        var system: UInt32 = 0
        if let srid = member("srid"), srid.kind != .null {
            system = UInt32(truncatingIfNeeded: try integer(srid, in: 0...Int64(Int32.max)))
        }
        let shape: UnsafeRawBufferPointer
        switch wkb.kind {
        case .bytes: shape = wkb.bytes
        case .string: shape = try containers.bytes(of: wkb.bytes, decodedBy: .base64)
        default: throw EncodingFailure(.wrongType, found: wkb.kind)
        }
        guard shape.count >= 5, shape[0] <= 1 else { throw EncodingFailure(.badSyntax, found: wkb.kind) }
        let isLittle = shape[0] == 1
        let word = shape.loadUnaligned(fromByteOffset: 1, as: UInt32.self)
        let type = isLittle ? UInt32(littleEndian: word) : UInt32(bigEndian: word)
        guard system != 0, type & Self.hasSystem == 0 else {
            buffer.append(shape)
            return true
        }
        func append(_ number: UInt32) {
            withUnsafeBytes(of: isLittle ? number.littleEndian : number.bigEndian) { buffer.append($0) }
        }
        buffer.append(byte: shape[0])
        append(type | Self.hasSystem)
        append(system)
        buffer.append(UnsafeRawBufferPointer(rebasing: shape[5...]))
        return true
    }

    /// Appends a text type's characters, or a shape.
    func appendTextOrShape(
        _ value: InputValue, to buffer: inout CopyBuffer, _ containers: any ContainerReader
    ) throws(EncodingFailure) {
        if takesShapes, try appendShapeText(value, to: &buffer, containers) { return }
        try appendText(value, to: &buffer)
    }

    /// Appends the bytes of a `bytea`, or a shape.
    func appendBytesOrShape(
        _ value: InputValue, to buffer: inout CopyBuffer, _ containers: any ContainerReader
    ) throws(EncodingFailure) {
        if takesShapes, try appendShape(value, to: &buffer, containers) { return }
        try appendBytes(value, to: &buffer)
    }

    private static let hasSystem: UInt32 = 0x2000_0000

    /// The same in hexadecimal, which PostGIS's types and texts take.
    func appendShapeText(
        _ value: InputValue, to buffer: inout CopyBuffer, _ containers: any ContainerReader
    ) throws(EncodingFailure) -> Bool {
        guard value.kind.isRecord else { return false }
        let start = buffer.count
        guard try appendShape(value, to: &buffer, containers) else { return false }
        buffer.expandToHexadecimal(from: start)
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
