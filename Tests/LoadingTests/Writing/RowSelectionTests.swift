import Postgres
import Testing

@testable import Loading

@Suite("Row selection")
struct RowSelectionTests {
    /// One step as `offset` of rows and `-offset` of deletions, in the order of writing.
    private func steps(
        _ messages: [(key: String?, value: String?)], _ target: Target, part: Range<Int>? = nil
    ) -> [[String]] {
        let batch = Batch.filled(messages, for: target)
        #expect(batch.deadLetters.isEmpty)
        let selection = RowSelection(batch: batch, target: target)
        return selection.steps(part ?? selection.rows.indices).map { step in
            step.map { row in
                let isDeletion = batch.sections[Int(row.section)].kind == .tombstones
                return "\(isDeletion ? "-" : "+")\(row.message)"
            }
        }
    }

    private func row(_ id: Int, _ more: String = "") -> (key: String?, value: String?) {
        ("\(id)", #"{"id": \#(id), "a": "x"\#(more)}"#)
    }

    private func tombstone(_ id: Int) -> (key: String?, value: String?) { ("\(id)", nil) }

    /// `b` has a default, so that messages may leave it out; the format follows `c`'s type.
    private func target(
        _ mode: Route.Mode, idType: PostgresType = .int8, format: Target.Format = .binary, key: [String] = ["id"]
    ) throws -> Target {
        let target = try Target.made(
            .made(mode: mode),
            .made(
                [
                    .made("a"), .made("id", idType), .made("b", default: "'y'"),
                    .made("c", format == .text ? .inet : .text),
                ],
                key: key))
        #expect(target.format == format)
        return target
    }

    @Test("an append keeps every row in the order of arrival")
    func insert() throws {
        #expect(steps([row(3), row(1), row(3)], try target(.insert, key: [])) == [["+0", "+1", "+2"]])
    }

    @Test(
        "upsert: a key appears once, the last message wins, rows are in the order of their keys",
        arguments: [
            Target.Format.binary, .text,
        ])
    func lastWins(format: Target.Format) throws {
        let target = try target(.upsert, format: format)
        #expect(steps([row(3), row(1), row(2), row(1), row(3)], target) == [["+3", "+2", "+4"]])
    }

    @Test("ignore: the first message of a key stays", arguments: [Target.Format.binary, .text])
    func firstStays(format: Target.Format) throws {
        #expect(steps([row(3), row(1), row(3), row(1)], try target(.ignore, format: format)) == [["+1", "+0"]])
    }

    @Test("two loaders that meet take their rows in the same order, whatever order they came in")
    func sameOrder() throws {
        let target = try target(.upsert)
        let ids = (0..<500).map { $0 * 7919 % 1009 - 300 }
        let forwards = steps(ids.map { row($0) }, target)[0].compactMap { Int($0.dropFirst()).map { ids[$0] } }
        let backwards = steps(ids.reversed().map { row($0) }, target)[0]
            .compactMap { Int($0.dropFirst()).map { ids[ids.count - 1 - $0] } }
        #expect(forwards.count == Set(ids).count)
        #expect(forwards == backwards)
    }

    @Test("a tombstone after a row leaves the deletion alone; a row after it follows in a second step")
    func tombstones() throws {
        let target = try target(.upsert)
        #expect(steps([row(1), tombstone(1)], target) == [["-1"]])
        #expect(steps([row(1), tombstone(1), row(1)], target) == [["-1"], ["+2"]])
        #expect(steps([tombstone(1), tombstone(1)], target) == [["-1"]])
        // Another key's row does not wait for it.
        #expect(steps([tombstone(1), row(1), row(2)], target) == [["-0", "+2"], ["+1"]])
        #expect(steps([tombstone(1), row(1), row(1), tombstone(1), row(1)], target) == [["-3"], ["+4"]])
    }

    @Test("rows of a key that name different columns are applied one after the other, as they came")
    func differentColumns() throws {
        let target = try target(.upsert)
        let full = #", "b": "z", "c": null"#
        // All columns, then some: what the first wrote into the others has to stand.
        #expect(steps([row(1, full), row(1)], target) == [["+0"], ["+1"]])
        // Some, then all: the first leaves no trace.
        #expect(steps([row(1), row(1, full)], target) == [["+1"]])
        // The same ones twice.
        #expect(steps([row(1), row(1)], target) == [["+1"]])
        #expect(steps([row(1, full), row(1), row(1, full)], target) == [["+2"]])
        #expect(steps([row(1, full), row(1), tombstone(1), row(1)], target) == [["-2"], ["+3"]])
        #expect(steps([tombstone(1), row(1), row(1, full)], target) == [["-0"], ["+2"]])
    }

    @Test(
        "keys that share a beginning are told apart, and text sorts by its bytes",
        arguments: [
            Target.Format.binary, .text,
        ])
    func textKeys(format: Target.Format) throws {
        let target = try target(.upsert, idType: .text, format: format)
        let ids = ["customer-1", "customer-10", "customer-1", "", "customer", "customer-\u{1F600}", "c", "customer-10"]
        let messages = ids.map { id in (key: id as String?, value: #"{"id": "\#(id)"}"# as String?) }
        let step = steps(messages, target)
        #expect(step.count == 1)
        let kept = step[0].compactMap { Int($0.dropFirst()) }
        #expect(Set(kept) == [2, 3, 4, 5, 6, 7])
    }

    @Test("a key of several columns is its columns, not their bytes run together")
    func compositeKey() throws {
        let target = try Target.made(
            .made(mode: .upsert), .made([.made("a"), .made("id"), .made("v")], key: ["a", "id"]))
        func row(_ a: String, _ id: String) -> (key: String?, value: String?) {
            (nil, #"{"a": "\#(a)", "id": "\#(id)"}"#)
        }
        #expect(Set(steps([row("x", "yz"), row("xy", "z"), row("x", "yz")], target)[0]) == ["+1", "+2"])
    }

    @Test("keys that only the server can compare go in as they came, in stretches of one kind")
    func serverKeys() throws {
        let target = try target(.upsert, idType: .numeric)
        #expect(steps([row(1), row(1), row(2)], target) == [["+0", "+1", "+2"]])
        #expect(
            steps([row(1), tombstone(1), row(1), row(1, #", "b": "z""#)], target)
                == [["+0"], ["-1"], ["+2"], ["+3"]])
    }

    @Test("a part of the rows is selected by itself, as the careful way needs it")
    func parts() throws {
        let target = try target(.upsert)
        let messages = [row(1), row(2), row(1), row(2)]
        #expect(steps(messages, target, part: 0..<2) == [["+0", "+1"]])
        #expect(steps(messages, target, part: 2..<3) == [["+2"]])
        #expect(steps(messages, target, part: 1..<4) == [["+2", "+3"]])
    }

    @Test("a key with a null is a dead letter, a row's and a tombstone's alike: no two nulls are the same row")
    func nullKeys() throws {
        let target = try Target.made(
            .made(mode: .upsert, key: ["id", "a"]),
            .made(
                [.made("id", .int8), .made("a")],
                uniqueIndexes: [.init(name: "i", columns: ["id", "a"], isPrimary: false)]))
        let batch = Batch.filled(
            [
                (nil, #"{"id": 1, "a": null}"#), (nil, #"{"id": 1}"#), (#"{"id": 1}"#, nil),
                (nil, #"{"id": 1, "a": "x"}"#),
            ], for: target)
        #expect(batch.deadLetters.map(\.message) == [0, 1, 2])
        #expect(batch.deadLetters.allSatisfy { $0.column == "a" })
        #expect(batch.deadLetters.first?.reason == .null)
        #expect(batch.deadLetters.first?.explanation == "public.orders.a is part of the key, found null")
        #expect(RowSelection(batch: batch, target: target).rows.map(\.message) == [3])
    }
}
