import Records

/// A field in words that keep its kind and each bit of its value, as `scripts/lib/avro-cases` tells them.
///
/// - Parameter sorted: records in the order of their names, of which the last counts where one comes twice.
func told(_ field: Field, by decoder: any RecordDecoder, sorted: Bool = false) -> String {
    func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
    func word(_ word: UInt64, bytes: Int) -> String {
        hexadecimal((0..<bytes).reversed().map { UInt8(truncatingIfNeeded: word >> (8 * UInt64($0))) })
    }
    let number = Int64(bitPattern: field.first)
    switch field.kind {
    case .absent: return "absent"
    case .null: return "null"
    case .false: return "false"
    case .true: return "true"
    case .integer: return "i:\(number)"
    case .unsigned: return "w:\(field.first)"
    case .float: return "f:\(word(field.first, bytes: 4))"
    case .double: return "d:\(word(field.first, bytes: 8))"
    case .bytes: return "b:\(hexadecimal(field.bytes))"
    case .string: return "s:\(hexadecimal(field.bytes))"
    case .decimal:
        let bytes = UnsafeRawBufferPointer(
            start: UnsafeRawPointer(bitPattern: UInt(field.first)), count: Int(field.second & 0xFFFF_FFFF))
        return "n:\(decimalText(bytes))e\(Int32(truncatingIfNeeded: Int64(bitPattern: field.second) >> 32))"
    case .day: return "day:\(number)"
    case .timeOfDay: return "t:\(number)"
    case .instant: return "@:\(number)"
    case .localTime: return "l:\(number)"
    case .interval:
        let (months, days) = (Int32(truncatingIfNeeded: number), Int32(truncatingIfNeeded: number >> 32))
        return "v:\(months),\(days),\(Int64(bitPattern: field.second))"
    case .uuid: return "u:\(word(field.first, bytes: 8))\(word(field.second, bytes: 8))"
    case .symbol: return "e:\(field.symbolNumber):\(hexadecimal(field.symbolName))"
    case .list, .record:
        var parts: [String] = []
        var named: [String: String] = [:]
        do {
            try decoder.visit(field) { name, value in
                let value = told(value, by: decoder, sorted: sorted)
                parts.append((field.kind == .record ? hexadecimal(name) + "=" : "") + value)
                named[hexadecimal(name)] = value
                return true
            }
        } catch {
            return "unreadable: \(error)"
        }
        if sorted, field.kind == .record { parts = named.map { "\($0)=\($1)" }.sorted() }
        let text = parts.joined(separator: ",")
        return field.kind == .record ? "{\(text)}" : "[\(text)]"
    default: return "\(field.kind)"
    }
}

/// An integer in two's complement as digits, one by one: slowly, and so plainly.
private func decimalText(_ bytes: some Sequence<UInt8>) -> String {
    var bytes = Array(bytes)
    let isNegative = bytes.first.map { $0 >= 0x80 } ?? false
    if isNegative {
        bytes = bytes.map { ~$0 }
        var place = bytes.count
        repeat {
            place -= 1
            bytes[place] &+= 1
        } while bytes[place] == 0 && place > 0
    }
    var digits: [UInt8] = [0]
    for byte in bytes {
        var carry = Int(byte)
        for place in digits.indices {
            carry += Int(digits[place]) << 8
            digits[place] = UInt8(carry % 10)
            carry /= 10
        }
        while carry > 0 {
            digits.append(UInt8(carry % 10))
            carry /= 10
        }
    }
    return (isNegative ? "-" : "") + digits.reversed().map { "\($0)" }.joined()
}

/// Decodes a message, which lies in memory of just its size and the padding that the decoder asks for, and tells the
/// fields, or what the decoder said.
func told(
    _ message: [UInt8], by decoder: any RecordDecoder, padding: UInt8 = 0, sorted: Bool = false
) -> Result<[String], DecodingFailure> {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: message.count + decoder.padding, alignment: 1)
    defer { memory.deallocate() }
    memory.copyBytes(from: message)
    for place in message.count..<memory.count { memory[place] = padding }
    do throws(DecodingFailure) {
        let fields = try decoder.decode(UnsafeRawBufferPointer(rebasing: memory[..<message.count]))
        return .success(fields.map { told($0, by: decoder, sorted: sorted) })
    } catch {
        return .failure(error)
    }
}

extension FieldPath {
    /// The whole message.
    static let whole = FieldPath([])
}
