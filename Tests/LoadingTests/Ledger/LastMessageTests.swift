import Testing

@testable import Loading

@Suite("Last message")
struct LastMessageTests {
    private func message(_ key: [UInt8]?, _ value: [UInt8]?) -> LastMessage {
        func with(_ bytes: [UInt8]?, _ body: (UnsafeRawBufferPointer?) -> LastMessage) -> LastMessage {
            guard let bytes else { return body(nil) }
            return bytes.withUnsafeBytes { body($0) }
        }
        return with(key) { key in with(value) { LastMessage(offset: 1, timestamp: 2, key: key, value: $0) } }
    }

    @Test("key and value are told from each other, null from empty, and the ends of long ones count")
    func differs() {
        let long = [UInt8](repeating: 7, count: 5000)
        var otherEnd = long
        otherEnd[4999] = 8
        var otherStart = long
        otherStart[0] = 8
        let all = [
            message(nil, nil), message([], nil), message(nil, []), message([1], [2]), message([2], [1]),
            message([1, 2], []), message(nil, long), message(nil, otherEnd), message(nil, otherStart),
            message(nil, long + [7]),
        ]
        #expect(Set(all.map(\.fingerprint)).count == all.count)
        #expect(message([1], long) == message([1], long))
    }

    @Test("the fingerprint is the same in every version, because the ledger keeps it")
    func isStable() { #expect(message([0x6b], [0x76]).fingerprint == LastMessageTests.known) }

    private static let known: Int64 = 3_177_115_649_826_279_452
}
