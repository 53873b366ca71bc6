/// 128 bits that stand for a state: what is written into it, in order. Two states that differ are taken for one with a
/// probability that no run will meet.
struct Fingerprint: Hashable, Sendable {
    private var low: UInt64 = 0x9e37_79b9_7f4a_7c15
    private var high: UInt64 = 0xc2b2_ae3d_27d4_eb4f

    mutating func add(_ value: UInt64) {
        low = Self.mix(low ^ value)
        high = Self.mix(high &+ value &* 0xff51_afd7_ed55_8ccd)
    }

    // In line: what is generic costs more here than all that it does.
    @inline(__always)
    mutating func add(_ value: some BinaryInteger) { add(UInt64(truncatingIfNeeded: value)) }
    mutating func add(_ value: Bool) { add(value ? 1 : 0 as UInt64) }
    /// Nil differs from each value.
    @inline(__always)
    mutating func add(_ value: (some BinaryInteger)?) {
        add(value == nil)
        if let value { add(value) }
    }

    func hash(into hasher: inout Hasher) { hasher.combine(low) }

    /// A bijection of 64 bits, so that nothing gets lost on the way (the finalizer of SplitMix64).
    private static func mix(_ value: UInt64) -> UInt64 {
        var value = value
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}

extension Fingerprint {
    mutating func add(_ other: Fingerprint) {
        add(other.low)
        add(other.high)
    }

    /// Any order that is the same each time.
    static func isBefore(_ one: Fingerprint, _ other: Fingerprint) -> Bool {
        one.low == other.low ? one.high < other.high : one.low < other.low
    }
}
