import TestSupport
import Testing

/// The judge of all fault tests must see what it is there to see.
@Suite("Table against topic")
struct TableComparisonTests {
    private static let topic: [[TableComparison.Entry]] = [entries([0: 10, 1: 11, 2: nil, 5: 15]), entries([0: 20])]

    private static func entries(_ numbers: KeyValuePairs<Int64, Int64?>) -> [TableComparison.Entry] {
        numbers.map { .init(offset: $0, number: $1) }
    }

    private static func compare(
        _ first: KeyValuePairs<Int64, Int64?>, deadLetters: [Int64] = [2]
    ) -> TableComparison {
        TableComparison(topic: topic, table: [entries(first), entries([0: 20])], deadLetters: [deadLetters, []])
    }

    @Test("rows of all good messages, in order, and letters of the bad ones are exact, whatever gaps offsets have")
    func exact() {
        let comparison = Self.compare([0: 10, 1: 11, 5: 15])
        #expect(comparison.isExact)
        #expect(comparison.messages == 5)
        #expect(comparison.rows == 4)
        #expect(comparison.deadLettersFound == 1)
    }

    @Test("a lost message, a lost letter, a doubled row, a row too early, another value and a stranger are each seen")
    func differences() {
        func expect(_ comparison: TableComparison, _ finding: KeyPath<TableComparison, TableComparison.Finding>) {
            #expect(!comparison.isExact)
            #expect(comparison[keyPath: finding].count == 1)
        }
        expect(Self.compare([0: 10, 1: 11]), \.lost)
        expect(Self.compare([0: 10, 1: 11, 5: 15], deadLetters: []), \.lost)
        expect(Self.compare([0: 10, 1: 11, 1: 11, 5: 15]), \.doubled)
        expect(Self.compare([0: 10, 1: 11, 5: 15], deadLetters: [2, 2]), \.doubled)
        expect(Self.compare([1: 11, 0: 10, 5: 15]), \.outOfOrder)
        expect(Self.compare([0: 10, 1: 12, 5: 15]), \.wrong)
        expect(Self.compare([0: 10, 1: nil, 5: 15]), \.wrong)
        expect(Self.compare([0: 10, 1: 11, 3: 11, 5: 15]), \.foreign)
        expect(Self.compare([0: 10, 1: 11, 2: 12, 5: 15]), \.foreign)
        expect(Self.compare([0: 10, 1: 11, 5: 15, 6: 16]), \.foreign)
        expect(Self.compare([0: 10, 1: 11, 5: 15], deadLetters: [1, 2]), \.foreign)
        expect(Self.compare([0: 10, 1: 11, 5: 15], deadLetters: [2, 9]), \.foreign)
    }
}
