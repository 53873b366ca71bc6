/// Numbers of seven bits a byte, the lowest first, as Avro and Protobuf write them.
enum Varint {
    /// The bit that each byte of a number but its last has set, where it is not: the lowest of these ends the number.
    @inline(__always)
    static func stops(in word: UInt64) -> UInt64 { ~word & 0x8080_8080_8080_8080 }

    /// The bytes of a number of at most eight.
    @inline(__always)
    static func length(_ stops: UInt64) -> Int { (stops.trailingZeroBitCount &>> 3) &+ 1 }

    /// Up to the lowest bit that ends the number, the seven bits of each byte pushed together.
    @inline(__always)
    static func value(of word: UInt64, upTo stops: UInt64) -> UInt64 {
        var bits = word & (stops ^ (stops &- 1)) & 0x7F7F_7F7F_7F7F_7F7F
        bits = (bits & 0x007F_007F_007F_007F) | ((bits & 0x7F00_7F00_7F00_7F00) &>> 1)
        bits = (bits & 0x0000_3FFF_0000_3FFF) | ((bits & 0x3FFF_0000_3FFF_0000) &>> 2)
        return (bits & 0x0FFF_FFFF) | ((bits & 0x0FFF_FFFF_0000_0000) &>> 4)
    }
}
