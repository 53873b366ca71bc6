import CSimdJSON

/// Whether bytes are UTF-8: ASCII, as most are, by eight at a time.
enum UTF8Text {
    /// - Parameter text: must be followed by seven readable bytes.
    @inline(__always)
    static func isValid(_ text: UnsafeRawBufferPointer) -> Bool { isASCII(text) || isUTF8(text) }

    /// Eight bytes a step, the last of them with what stands behind.
    @inline(__always)
    private static func isASCII(_ text: UnsafeRawBufferPointer) -> Bool {
        guard let start = text.baseAddress else { return true }
        var high: UInt64 = 0
        var at = 0
        while at &+ 8 <= text.count {
            high |= start.loadUnaligned(fromByteOffset: at, as: UInt64.self)
            at &+= 8
        }
        if at < text.count {
            let word = UInt64(littleEndian: start.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            high |= word & (1 &<< UInt64(8 &* (text.count &- at)) &- 1)
        }
        return high & 0x8080_8080_8080_8080 == 0
    }

    @inline(never)
    private static func isUTF8(_ text: UnsafeRawBufferPointer) -> Bool {
        csj_is_utf8(text.baseAddress?.assumingMemoryBound(to: UInt8.self), text.count) != 0
    }
}
