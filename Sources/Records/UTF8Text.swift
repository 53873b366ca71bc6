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

    /// Where the first sequence of bytes begins that is none of UTF-8's; nil for a valid text. For the words about one that is
    /// not.
    static func firstFault(in text: UnsafeRawBufferPointer) -> Int? {
        var parser = Unicode.UTF8.ForwardParser()
        var bytes = text.makeIterator()
        var place = 0
        while true {
            switch parser.parseScalar(from: &bytes) {
            case .valid(let scalar): place += scalar.count
            case .emptyInput: return nil
            case .error: return place
            }
        }
    }
}
