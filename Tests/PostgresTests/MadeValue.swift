import Postgres

/// A value of any kind as a format of messages would say it, written down in a test.
indirect enum MadeValue: Sendable, CustomStringConvertible {
    case null
    case truth(Bool)
    /// As JSON has it.
    case json(String)
    case string(String)
    case integer(Int64)
    case unsigned(UInt64)
    case double(Double)
    case float(Float)
    /// Decimal digits with or without a sign, and how many of them stand behind the point.
    case decimal(String, Int32)
    /// The bytes as they come, which a decoder takes as they are.
    case unscaled([UInt8], Int32)
    case bytes([UInt8])
    case day(Int64)
    case timeOfDay(Int64)
    case instant(Int64)
    case localTime(Int64)
    case interval(Int32, Int32, Int64)
    case uuid(UInt64, UInt64)
    case symbol(String, Int32)
    case list([MadeValue])
    case record([Member])

    struct Member: Sendable {
        var name: String
        var value: MadeValue

        init(_ name: String, _ value: MadeValue) {
            self.name = name
            self.value = value
        }
    }

    var description: String {
        switch self {
        case .null: "null"
        case .truth(let truth): "\(truth)"
        case .json(let text): text
        case .string(let text): text.debugDescription
        case .integer(let value): "integer \(value)"
        case .unsigned(let value): "unsigned \(value)"
        case .double(let value): "double \(value)"
        case .float(let value): "float \(value)"
        case .decimal(let digits, let scale): "decimal \(digits) e-\(scale)"
        case .unscaled(let bytes, let scale): "decimal \(bytes.prefix(20)) e-\(scale)"
        case .bytes(let bytes): "bytes \(bytes)"
        case .day(let day): "day \(day)"
        case .timeOfDay(let time): "time of day \(time)"
        case .instant(let time): "instant \(time)"
        case .localTime(let time): "local time \(time)"
        case .interval(let months, let days, let time): "interval \(months) \(days) \(time)"
        case .uuid(let high, let low): "uuid \(high) \(low)"
        case .symbol(let name, let number): "\(name) = \(number)"
        case .list(let values): "\(values)"
        case .record(let members): "{\(members.map { "\($0.name): \($0.value)" }.joined(separator: ", "))}"
        }
    }

    func value(in input: EncodingInput) throws(EncodingFailure) -> InputValue {
        func word(_ kind: InputValue.Kind, _ value: Int64) -> InputValue {
            InputValue(kind, UInt64(bitPattern: value), 0)
        }
        switch self {
        case .null: return InputValue(.null)
        case .truth(let truth): return InputValue(truth ? .true : .false)
        case .json(let text): return try input.value(text)
        case .string(let text): return input.string(Array(text.utf8))
        case .integer(let value): return .integer(value)
        case .unsigned(let value): return InputValue(.unsigned, value, 0)
        case .double(let value): return InputValue(.double, value.bitPattern, 0)
        case .float(let value): return InputValue(.float, UInt64(value.bitPattern), 0)
        case .decimal(let digits, let scale): return input.decimal(Self.unscaled(digits), scale)
        case .unscaled(let bytes, let scale): return input.decimal(bytes, scale)
        case .bytes(let bytes): return InputValue(.bytes, input.string(bytes).bytes)
        case .day(let day): return word(.day, day)
        case .timeOfDay(let time): return word(.timeOfDay, time)
        case .instant(let time): return .instant(microseconds: time)
        case .localTime(let time): return word(.localTime, time)
        case .interval(let months, let days, let microseconds):
            return InputValue(
                .interval, UInt64(UInt32(bitPattern: months)) | UInt64(UInt32(bitPattern: days)) << 32,
                UInt64(bitPattern: microseconds))
        case .uuid(let high, let low): return InputValue(.uuid, high, low)
        case .symbol(let name, let number):
            let bytes = input.string(Array(name.utf8))
            return InputValue(.symbol, bytes.first, bytes.second | UInt64(UInt32(bitPattern: number)) << 32)
        case .list(let values):
            var items: [(name: String, value: InputValue)] = []
            for value in values { items.append(("", try value.value(in: input))) }
            return input.container(.list, items)
        case .record(let members):
            var items: [(name: String, value: InputValue)] = []
            for member in members { items.append((member.name, try member.value.value(in: input))) }
            return input.container(.record, items)
        }
    }

    /// The shortest two's complement of an integer, the highest byte first.
    static func unscaled(_ digits: String) -> [UInt8] {
        // The magnitude, the lowest byte first.
        var bytes: [UInt8] = [0]
        for digit in digits.utf8 where digit != UInt8(ascii: "-") {
            var carry = Int(digit - 0x30)
            for index in bytes.indices {
                carry += Int(bytes[index]) * 10
                bytes[index] = UInt8(truncatingIfNeeded: carry)
                carry >>= 8
            }
            if carry > 0 { bytes.append(UInt8(carry)) }
        }
        if bytes.last.map({ $0 > 0x7F }) == true { bytes.append(0) }
        guard digits.hasPrefix("-") else { return bytes.reversed() }
        var carry = 1
        for index in bytes.indices {
            carry += Int(~bytes[index])
            bytes[index] = UInt8(truncatingIfNeeded: carry)
            carry >>= 8
        }
        if bytes.count > 1, bytes.last == 0xFF, bytes[bytes.count - 2] > 0x7F { bytes.removeLast() }
        return bytes.reversed()
    }
}

extension EncodingInput {
    func decimal(_ unscaled: [UInt8], _ scale: Int32) -> InputValue {
        let bytes = string(unscaled).bytes
        return InputValue(
            .decimal, UInt64(UInt(bitPattern: bytes.baseAddress)),
            UInt64(bytes.count) | UInt64(UInt32(bitPattern: scale)) << 32)
    }
}

/// What both formats of COPY get for a value, or why both refuse it.
enum Encoded: Equatable {
    case taken(binary: [UInt8]?, text: String)
    case refused(EncodingFailure.Reason)
    /// They differ, which they never may.
    case torn(String)

    init(_ type: PostgresType, _ made: MadeValue, _ options: EncodingOptions = EncodingOptions()) {
        func result<Value>(
            _ encode: (InputValue, EncodingInput) throws -> Value
        ) -> Result<Value, EncodingFailure> {
            let input = EncodingInput()
            do {
                return .success(try encode(made.value(in: input), input))
            } catch {
                return .failure(error as? EncodingFailure ?? EncodingFailure(.noDocument, found: .null))
            }
        }
        let text = result(TextEncoder(type, options: options).field)
        let binary = BinaryEncoder(type, options: options).map { result($0.bytes) }
        switch (text, binary) {
        case (.success(let text), nil): self = .taken(binary: nil, text: text)
        case (.success(let text), .success(let binary)): self = .taken(binary: binary, text: text)
        case (.failure(let reason), nil): self = .refused(reason.reason)
        case (.failure(let reason), .failure(let other)) where reason == other: self = .refused(reason.reason)
        default: self = .torn("text \(text), binary \(binary.map { "\($0)" } ?? "-")")
        }
    }

    var text: String? { if case .taken(_, let text) = self { text } else { nil } }
}
