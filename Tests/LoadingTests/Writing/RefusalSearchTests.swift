import TestSupport
import Testing

@testable import Loading

@Suite("Refusal search")
struct RefusalSearchTests {
    /// Searches as a batch does, with a server that refuses a part as soon as it holds a guilty row.
    ///
    /// - Parameter names: the row that the server names, of those in a part that it refuses.
    private func search(
        _ count: Int, guilty: Set<Int>, chunk: Int = 4096, naming names: (Range<Int>) -> Int? = { _ in nil }
    ) -> (loaded: [Int], found: [Int], tries: Int, sent: Int) {
        var search = RefusalSearch(count: count)
        var (loaded, found, tries, sent) = ([Int](), [Int](), 0, 0)
        while !search.isDone, tries < 20 * count {
            let part = search.part(upTo: chunk)
            tries += 1
            sent += part.count
            if guilty.isDisjoint(with: part) {
                loaded += part
                search.loaded(part)
            } else if let row = search.refused(part, naming: names(part)) {
                found.append(row)
            }
        }
        return (loaded, found, tries, sent)
    }

    @Test("whatever the server names, each row is in once and in order, or found guilty", arguments: 0..<200)
    func everyRow(round: Int) {
        var generator = SeededGenerator(seed: UInt64(round))
        let count = Int.random(in: 1...600, using: &generator)
        let share = [2, 10, 100, 1000].randomElement(using: &generator) ?? 10
        let guilty = Set((0..<count).filter { _ in Int.random(in: 0..<share, using: &generator) == 0 })
        let chunk = [1, 7, 64, 4096].randomElement(using: &generator) ?? 64
        let kind = Int.random(in: 0..<4, using: &generator)
        let result = search(count, guilty: guilty, chunk: chunk) { part in
            switch kind {
            case 0: nil
            case 1: part.first { guilty.contains($0) }
            // A server that names the wrong row, or one of another part.
            case 2: part.randomElement(using: &generator)
            default: Bool.random(using: &generator) ? part.upperBound : part.last { guilty.contains($0) }
            }
        }
        #expect(result.found == guilty.sorted())
        #expect(result.loaded == (0..<count).filter { !guilty.contains($0) })
    }

    @Test("a row that the server names costs three tries more", arguments: [0, 1, 2000, 4095])
    func named(row: Int) {
        let result = search(4096, guilty: [row]) { _ in row }
        #expect(result.found == [row])
        #expect(result.tries <= 4)
    }

    @Test(
        "a row that nobody names costs as many tries as its chunk can be halved, and no row more than twice",
        arguments: [0, 1, 2000, 4095])
    func unnamed(row: Int) {
        let result = search(8192, guilty: [row])
        #expect(result.found == [row])
        #expect(result.tries <= 2 + 13 + 1)
        #expect(result.sent <= 8192 + 2 * 4096)
    }
}
