/// Whether the bytes are well-formed UTF-8, as PostgreSQL wants it: no overlong forms, no surrogates, no more than
/// U+10FFFF. U+0000 is well-formed. Eight ASCII bytes are one step.
func isValidUTF8(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let count = bytes.count
    var index = 0
    while index < count {
        while index &+ 8 <= count,
            bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
        {
            index &+= 8
        }
        guard index < count else { break }
        let lead = bytes[index]
        if lead < 0x80 {
            index &+= 1
            continue
        }
        // The second byte's range excludes overlong forms, surrogates and what lies beyond U+10FFFF.
        let length: Int
        var lowest: UInt8 = 0x80
        var highest: UInt8 = 0xBF
        switch lead {
        case 0xC2...0xDF: length = 2
        case 0xE0...0xEF:
            length = 3
            if lead == 0xE0 { lowest = 0xA0 }
            if lead == 0xED { highest = 0x9F }
        case 0xF0...0xF4:
            length = 4
            if lead == 0xF0 { lowest = 0x90 }
            if lead == 0xF4 { highest = 0x8F }
        default: return false
        }
        guard index &+ length <= count, lowest <= bytes[index &+ 1], bytes[index &+ 1] <= highest else { return false }
        var next = index &+ 2
        while next < index &+ length {
            guard bytes[next] & 0xC0 == 0x80 else { return false }
            next &+= 1
        }
        index &+= length
    }
    return true
}
