/// The traces that a batch's messages belong to.
struct TraceLinks {
    /// A batch may hold tens of thousands of messages, and a span with so many links is shown nowhere.
    static let limit = 32

    private(set) var parents: [TraceParent] = []
    /// Messages whose trace found no place.
    private(set) var dropped = 0

    /// Looks at the headers of all messages. Traces that nobody samples are passed over: links to them lead nowhere.
    init(of batch: Batch) {
        var known: [UInt64] = []
        for message in batch.messages.indices where batch.messages[message].headersCount > 0 {
            guard let value = batch.header("traceparent", of: message), value.count >= 55 else { continue }
            let fingerprint = Self.fingerprint(value)
            guard !known.contains(fingerprint), TraceParent.isSampled(value) else { continue }
            guard parents.count < Self.limit else {
                dropped += 1
                continue
            }
            guard let parent = TraceParent(value) else { continue }
            parents.append(parent)
            known.append(fingerprint)
        }
    }

    /// Of both ids, which are random: cheaper to compare than they are to read.
    @inline(__always)
    private static func fingerprint(_ value: UnsafeRawBufferPointer) -> UInt64 {
        var fingerprint: UInt64 = 0
        func mix(_ offset: Int) {
            fingerprint ^= value.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            fingerprint &*= 0x9E37_79B9_7F4A_7C15
            fingerprint ^= fingerprint >> 32
        }
        // The trace's thirty-two digits, a dash, the span's sixteen.
        for offset in stride(from: 3, to: 35, by: 8) { mix(offset) }
        for offset in stride(from: 36, to: 52, by: 8) { mix(offset) }
        return fingerprint
    }
}
