import LoadingFixtures
import Postgres
import Testing

@testable import Loading

@Suite("Key prints")
struct KeyPrintsTests {
    private func target(_ keyType: PostgresType, format: Target.Format) throws -> Target {
        let target = try Target.made(
            .made(mode: .upsert),
            .made([.made("id", keyType), .made("a"), .made("c", format == .text ? .inet : .text)], key: ["id"]))
        #expect(target.format == format && target.tellsKeysEarly)
        return target
    }

    private func batch(_ ids: [String], _ target: Target, tombstones: [String] = []) -> Batch {
        .filled(
            ids.map { ($0, #"{"id": \#($0), "a": "x"}"#) } + tombstones.map { ($0, nil) }, for: target)
    }

    /// Which of the rows that a batch comes to are taken for rows of the batch before.
    private func marked(_ batch: Batch, behind before: Batch, _ target: Target) -> [Bool] {
        let selection = RowSelection(batch: batch, target: target)
        let states = selection.finalStates(selection.rows.indices) { _ in [] }
        var found = [Bool](repeating: false, count: states.rows.count)
        KeyPrints(batch, [target]).mark(
            states.rows, of: RowSource(target, states.sections, selection.omissions),
            behind: KeyPrints(before, [target]),
            in: &found)
        return found
    }

    @Test(
        "a row whose key is in the batch before is found, however it is written, and no other",
        arguments: [PostgresType.int8, .numeric, .text], [Target.Format.binary, .text])
    func keys(type: PostgresType, format: Target.Format) throws {
        let target = try target(type, format: format)
        let quote = type == .text ? "\"" : ""
        func ids(_ range: some Sequence<Int>) -> [String] { range.map { "\(quote)\($0)\(quote)" } }
        let before = batch(ids(0..<500), target)
        // In the order of the keys as bytes, which is not that of the numbers.
        let found = marked(batch(ids((400..<700).reversed()), target), behind: before, target)
        #expect(found.count { $0 } == 100)
        #expect(marked(batch(ids(1000..<2000), target), behind: before, target).allSatisfy { !$0 })
        if type == .numeric {
            #expect(
                marked(batch(["1.50", "7.0", "7e1"], target), behind: batch(["1.5"] + ids([7, 70]), target), target)
                    == [
                        true, true, true,
                    ])
        }
    }

    @Test("a row that was folded from several is found by its key, and a deletion in the batch before is none")
    func folded() throws {
        let target = try Target.made(
            .made(mode: .upsert), .made([.made("id", .int8), .made("a"), .made("b", default: "'y'")], key: ["id"]))
        let batch = Batch.filled(
            [("1", #"{"id": 1, "a": "x", "b": "z"}"#), ("1", #"{"id": 1, "a": "w"}"#), ("2", #"{"id": 2, "a": "x"}"#)],
            for: target)
        #expect(marked(batch, behind: self.batch(["1", "3"], target), target) == [true, false])
        #expect(marked(batch, behind: self.batch(["3"], target, tombstones: ["1"]), target) == [false, false])
    }
}
