/// UUIDs as RFC 9562 writes them.
enum UUIDText {
    static func bytes(of uuid: (high: UInt64, low: UInt64)) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for place in 0..<16 {
            if [4, 6, 8, 10].contains(place) { text.append(UInt8(ascii: "-")) }
            let word = place < 8 ? uuid.high : uuid.low
            let byte = UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * (place & 7)))
            text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
        return text
    }
}
