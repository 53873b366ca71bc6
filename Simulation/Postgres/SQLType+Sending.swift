/// The types' send functions, for the defaults that the loader sends along.
extension SQLType {
    func sent(_ value: SQLValue) throws(SQLFailure) -> [UInt8] {
        func bytes(_ number: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: number.bigEndian) { Array($0) } }
        switch (self, value) {
        case (.bool, .bool(let value)): return [value ? 1 : 0]
        case (.int2, .int(let number)): return bytes(Int16(truncatingIfNeeded: number))
        case (.int4, .int(let number)): return bytes(Int32(truncatingIfNeeded: number))
        case (.int8, .int(let number)): return bytes(number)
        case (.double, .double(let number)): return bytes(number.bitPattern)
        case (.text, .text(let text)), (.varchar, .text(let text)), (.json, .text(let text)): return Array(text.utf8)
        case (.jsonb, .text(let text)): return [1] + text.utf8
        case (.bytea, .bytes(let bytes)): return bytes
        case (.timestamptz, .time(let time)): return bytes(time)
        case (.uuid, .text(let text)):
            let digits = text.utf8.compactMap { UInt8(exactly: Character(UnicodeScalar($0)).hexDigitValue ?? 255) }
                .filter { $0 < 16 }
            return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
        case (_, .array(let items)):
            guard let element else { throw .unknown("\(value) sent as \(rawValue)") }
            var sent = bytes(Int32(items.isEmpty ? 0 : 1)) + bytes(Int32(items.contains(.null) ? 1 : 0))
            sent += bytes(element.oid)
            if !items.isEmpty { sent += bytes(Int32(items.count)) + bytes(Int32(1)) }
            for item in items {
                guard !item.isNull else {
                    sent += bytes(Int32(-1))
                    continue
                }
                let one = try element.sent(item)
                sent += bytes(Int32(one.count)) + one
            }
            return sent
        default: throw .unknown("\(value) sent as \(rawValue)")
        }
    }
}
