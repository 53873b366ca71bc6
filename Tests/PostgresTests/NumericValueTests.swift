import TestSupport
import Testing

@testable import Postgres

@Suite("Numbers in binary")
struct NumericValueTests {
    private static func long(_ text: String, _ limits: NumericLimits?) -> [UInt8]? {
        var text = text
        return text.withUTF8 { bytes in
            guard case .value(let value) = NumericValue.read(UnsafeRawBufferPointer(bytes), limits: limits) else {
                return nil
            }
            var buffer = CopyBuffer(capacity: 64)
            value.append(to: &buffer)
            return Array(buffer.bytes)
        }
    }

    private static func short(_ text: String, _ limits: NumericLimits?) -> [UInt8]? {
        var text = text
        return text.withUTF8 { bytes in
            var buffer = CopyBuffer(capacity: 64)
            guard NumericValue.append(short: UnsafeRawBufferPointer(bytes), limits, to: &buffer) else {
                #expect(buffer.count == 0)
                return nil
            }
            return Array(buffer.bytes)
        }
    }

    @Test("a short number becomes the bytes that the long way makes of it, or is left to that")
    func shortWay() throws {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededGenerator(seed: seed)
        // numeric, numeric(12,2), numeric(4,4), numeric(2,-3)
        let limits: [NumericLimits?] = [nil, 12 << 16 | 2, 4 << 16 | 4, 2 << 16 | 2045].map { packed in
            packed.flatMap { NumericLimits(modifier: Int32($0 + 4)) }
        }
        var taken = 0
        for _ in 0..<200_000 {
            func digits(_ most: Int) -> String {
                String(
                    (0..<Int.random(in: 0...most, using: &random)).map { _ in
                        "00019".randomElement(using: &random)
                            ?? Character(String(Int.random(in: 0...9, using: &random)))
                    })
            }
            var text = ["", "-", "+"].randomElement(using: &random) ?? ""
            text += digits(18)
            if Bool.random(using: &random) { text += "." + digits(10) }
            if Int.random(in: 0..<20, using: &random) == 0 {
                text += ["e2", " ", ".", "x", "-"].randomElement(using: &random) ?? ""
            }
            for limit in limits {
                guard let short = Self.short(text, limit) else { continue }
                taken += 1
                #expect(short == Self.long(text, limit), "\(text), seed \(seed)")
            }
        }
        #expect(taken > 100_000)
    }
}
