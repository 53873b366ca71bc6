/// How it can be told from a column's encoded fields alone that the server takes two of them for the same key.
///
/// Where it can, `append(_:to:)` gives each field a canonical form, and equal values have equal ones.
public enum KeyForm: Sendable, Hashable {
    /// The encoded bytes as they are.
    case bytes
    /// `char(n)`: spaces at the end do not count.
    case padded
    /// In text COPY a uuid stands as it was written.
    case uuidText
    case float4(isBinary: Bool)
    case float8(isBinary: Bool)
    /// Rounded to the column's scale, if it has one: `1.001` and `1.00` are one key of a `numeric(10, 2)`.
    case numeric(scale: Int?, isBinary: Bool)
    /// Only the server knows: `citext`, nondeterministic collations, types that its input functions read.
    case server

    /// - Parameters:
    ///   - isBinary: how the fields are encoded.
    ///   - isCollationDeterministic: of the column and of the index that makes the key unique.
    public init(_ type: PostgresType, isBinary: Bool, isCollationDeterministic: Bool) {
        var type = type
        while case .domain(let base) = type.shape { type = base }
        switch type.shape {
        case .enumeration: self = .bytes
        case .composite, .array, .domain: self = .server
        case .base:
            // The OIDs of built-in types are fixed; see pg_type.dat.
            switch type.oid {
            case 16, 17, 20, 21, 23, 1082, 1083, 1114, 1184: self = .bytes
            case 25, 1043: self = isCollationDeterministic ? .bytes : .server
            case 1042: self = isCollationDeterministic ? .padded : .server
            case 700: self = .float4(isBinary: isBinary)
            case 701: self = .float8(isBinary: isBinary)
            case 1700: self = .numeric(scale: NumericLimits(modifier: type.modifier)?.scale, isBinary: isBinary)
            case 2950: self = isBinary ? .bytes : .uuidText
            default: self = .server
            }
        }
    }

    /// Appends a field's canonical form. What the server compares keeps its bytes, behind those without the case of ASCII
    /// letters: two loaders then mostly take such keys in the same order.
    ///
    /// - Parameter field: a value that is not null, without the length word of binary COPY.
    public func append(_ field: UnsafeRawBufferPointer, to buffer: inout CopyBuffer) {
        switch self {
        case .bytes: buffer.append(field)
        case .server:
            for byte in field { buffer.append(byte: byte &- 0x41 < 26 ? byte | 0x20 : byte) }
            buffer.append(field)
        case .padded:
            var end = field.count
            while end > 0, field[end - 1] == UInt8(ascii: " ") { end -= 1 }
            buffer.append(UnsafeRawBufferPointer(rebasing: field[..<end]))
        case .uuidText:
            for byte in field {
                let digit = byte.hexValue
                if digit < 16 { buffer.append(byte: digit) }
            }
        case .float4(isBinary: true):
            append(Double(Float(bitPattern: field.loadUnaligned(as: UInt32.self).bigEndian)), to: &buffer)
        case .float8(isBinary: true):
            append(Double(bitPattern: field.loadUnaligned(as: UInt64.self).bigEndian), to: &buffer)
        case .float4(isBinary: false):
            if case .value(let number) = FloatText.float(field) { append(Double(number), to: &buffer) }
        case .float8(isBinary: false):
            if case .value(let number) = FloatText.double(field) { append(number, to: &buffer) }
        case .numeric(let scale, isBinary: true): append(binaryNumeric: field, scale, to: &buffer)
        case .numeric(let scale, isBinary: false): append(numericText: field, scale, to: &buffer)
        }
    }

    private func append(_ number: Double, to buffer: inout CopyBuffer) {
        // One zero and one NaN, as the server has it.
        let canonical = number == 0 ? 0 : number.isNaN ? Double.nan : number
        buffer.append(Int64(bitPattern: canonical.bitPattern))
    }

    // MARK: Numeric

    private func append(binaryNumeric field: UnsafeRawBufferPointer, _ scale: Int?, to buffer: inout CopyBuffer) {
        func word(_ index: Int) -> Int {
            Int(Int16(bigEndian: field.loadUnaligned(fromByteOffset: 2 * index, as: Int16.self)))
        }
        let sign = word(2) & 0xFFFF
        guard sign & 0xC000 != 0xC000 else { return buffer.append(Int16(bitPattern: UInt16(sign))) }
        let groups = word(0)
        append(
            isNegative: sign == 0x4000, digits: 4 * groups, point: 4 * (word(1) + 1), scale, to: &buffer
        ) { index in
            let group = word(4 + index / 4)
            return UInt8(
                truncatingIfNeeded: [group / 1000, group / 100 % 10, group / 10 % 10, group % 10][index % 4])
        }
    }

    private func append(numericText field: UnsafeRawBufferPointer, _ scale: Int?, to buffer: inout CopyBuffer) {
        guard let decimal = DecimalText(field) else {
            // NaN and the infinities, in whatever spelling.
            let first = field.first { $0 | 0x20 == UInt8(ascii: "n") || $0 | 0x20 == UInt8(ascii: "i") }
            let isNegative = field.first == UInt8(ascii: "-")
            return buffer.append(
                Int16(bitPattern: first.map { $0 | 0x20 } == UInt8(ascii: "n") ? 0xC000 : isNegative ? 0xF000 : 0xD000))
        }
        append(
            isNegative: decimal.isNegative, digits: decimal.count, point: decimal.point, scale, to: &buffer
        ) { decimal[$0] }
    }

    /// Appends the number `0.d₀d₁… × 10^point`, rounded as the server rounds: half of a unit away from zero.
    private func append(
        isNegative: Bool, digits count: Int, point: Int, _ scale: Int?, to buffer: inout CopyBuffer,
        digit: (Int) -> UInt8
    ) {
        var point = point
        var first = 0
        while first < count, digit(first) == 0 { first += 1 }
        point -= first
        var length = count - first
        var roundsUp = false
        if let scale, point + scale < length {
            let kept = point + scale
            roundsUp = kept >= 0 && digit(first + kept) >= 5
            length = max(0, kept)
        }
        let start = buffer.count
        let target = buffer.reserve(length + 7)
        let head = 6
        for index in 0..<length {
            target.storeBytes(of: digit(first + index), toByteOffset: head + index, as: UInt8.self)
        }
        if roundsUp {
            var index = length - 1
            while index >= 0, target.load(fromByteOffset: head + index, as: UInt8.self) == 9 { index -= 1 }
            if index >= 0 {
                let raised = target.load(fromByteOffset: head + index, as: UInt8.self) + 1
                target.storeBytes(of: raised, toByteOffset: head + index, as: UInt8.self)
                length = index + 1
            } else {
                target.storeBytes(of: 1, toByteOffset: head, as: UInt8.self)
                length = 1
                point += 1
            }
        }
        while length > 0, target.load(fromByteOffset: head + length - 1, as: UInt8.self) == 0 { length -= 1 }
        buffer.append(isNegative && length > 0 ? 1 : 0 as Int16)
        buffer.append(Int32(truncatingIfNeeded: length > 0 ? point : 0))
        buffer.advance(by: length)
        assert(buffer.count == start + head + length)
    }
}
