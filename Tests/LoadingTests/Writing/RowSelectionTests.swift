import LoadingFixtures
import Postgres
import Testing

@testable import Loading

@Suite("Row selection")
struct RowSelectionTests {
    /// What is to be written, as `-offset` of a deletion and `+offset` of a row, in the order of writing.
    private func states(
        _ messages: [(key: String?, value: String?)], _ target: Target, part: Range<Int>? = nil,
        sameKeys: ([RowReference]) -> [[Int]] = { _ in [] }
    ) -> [String] {
        let batch = Batch.filled(messages, for: target)
        #expect(batch.deadLetters.isEmpty)
        let selection = RowSelection(batch: batch, target: target)
        let states = selection.finalStates(part ?? selection.rows.indices, sameKeys: sameKeys)
        return states.deletions.map { "-\($0.message)" } + states.rows.map { "+\($0.message)" }
    }

    /// The rows to be written with the columns that they give, as text COPY would have them.
    private func contents(_ messages: [(key: String?, value: String?)], _ target: Target) -> [String] {
        #expect(target.format == .text)
        let batch = Batch.filled(messages, for: target)
        #expect(batch.deadLetters.isEmpty)
        let selection = RowSelection(batch: batch, target: target)
        let states = selection.finalStates(selection.rows.indices) { _ in [] }
        return states.rows.map { reference in
            let section = states.sections[Int(reference.section)]
            let row = section.rows[Int(reference.row)]
            var fields = RowFields(row, of: section, target.format)
            return target.columns.compactMap { column in
                if let bit = column.omissionBit, selection.omissions?.contains(row.omission, bit) == true { return nil }
                return "\(column.name)=\(String(decoding: fields.next(), as: UTF8.self))"
            }.joined(separator: " ")
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
        #expect(states([row(3), row(1), row(3)], try target(.insert, key: [])) == ["+0", "+1", "+2"])
    }

    @Test(
        "upsert: a key appears once, the last message wins, rows are in the order of their keys",
        arguments: [
            Target.Format.binary, .text,
        ])
    func lastWins(format: Target.Format) throws {
        let target = try target(.upsert, format: format)
        #expect(states([row(3), row(1), row(2), row(1), row(3)], target) == ["+3", "+2", "+4"])
    }

    @Test("ignore: the first message of a key stays", arguments: [Target.Format.binary, .text])
    func firstStays(format: Target.Format) throws {
        #expect(states([row(3), row(1), row(3), row(1)], try target(.ignore, format: format)) == ["+1", "+0"])
    }

    @Test("two loaders that meet take their rows in the same order, whatever order they came in")
    func sameOrder() throws {
        let target = try target(.upsert)
        let ids = (0..<500).map { $0 * 7919 % 1009 - 300 }
        let forwards = states(ids.map { row($0) }, target).compactMap { Int($0.dropFirst()).map { ids[$0] } }
        let backwards = states(ids.reversed().map { row($0) }, target)
            .compactMap { Int($0.dropFirst()).map { ids[ids.count - 1 - $0] } }
        #expect(forwards.count == Set(ids).count)
        #expect(forwards == backwards)
    }

    @Test("a tombstone after a row leaves the deletion alone; a row after it follows behind all deletions")
    func tombstones() throws {
        let target = try target(.upsert)
        #expect(states([row(1), tombstone(1)], target) == ["-1"])
        #expect(states([row(1), tombstone(1), row(1)], target) == ["-1", "+2"])
        #expect(states([tombstone(1), tombstone(1)], target) == ["-1"])
        #expect(states([tombstone(1), row(1), row(2)], target) == ["-0", "+1", "+2"])
        #expect(states([tombstone(1), row(1), row(1), tombstone(1), row(1)], target) == ["-3", "+4"])
    }

    @Test(
        "rows of a key that name different columns become one, each column with what was said of it last",
        arguments: [Target.Format.binary, .text])
    func differentColumns(format: Target.Format) throws {
        let target = try target(.upsert, format: format)
        let full = #", "b": "z", "c": null"#
        #expect(states([row(1, full), row(1)], target) == ["+1"])
        #expect(states([row(1), row(1, full)], target) == ["+1"])
        #expect(states([row(1), row(1)], target) == ["+1"])
        #expect(states([row(1, full), row(1), row(1, full)], target) == ["+2"])
        #expect(states([row(1, full), row(1), tombstone(1), row(1)], target) == ["-2", "+3"])
        #expect(states([tombstone(1), row(1), row(1, full)], target) == ["-0", "+2"])
    }

    @Test("what an earlier row of a key gave stands where no later one says anything, but not behind a tombstone")
    func folding() throws {
        let target = try Target.made(
            .made(mode: .upsert),
            .made(
                [
                    .made("id", .int8), .made("a", default: "'x'"), .made("b", default: "'y'"),
                    .made("c", default: "'z'"), .made("d", .inet),
                ], key: ["id"]))
        func row(_ id: Int, _ more: String = "") -> (key: String?, value: String?) {
            ("\(id)", #"{"id": \#(id)\#(more)}"#)
        }
        #expect(contents([row(1, #", "a": 1"#), row(1, #", "b": 2"#)], target) == [#"id=1 a=1 b=2 d=\N"#])
        #expect(
            contents([row(1, #", "a": 1, "c": 1"#), row(1, #", "a": null"#), row(1, #", "b": "2\t2""#)], target)
                == [#"id=1 a=\N b=2\t2 c=1 d=\N"#])
        #expect(contents([row(1, #", "a": 1"#), tombstone(1), row(1, #", "b": 2"#)], target) == [#"id=1 b=2 d=\N"#])
        #expect(
            contents(
                (0..<6000).map { row(1, $0 % 2 == 0 ? #", "a": \#($0)"# : #", "b": \#($0), "d": "::1""#) }, target)
                == ["id=1 a=5998 b=5999 d=::1"])
        // Of a key's spellings the first one stays.
        let numeric = try Target.made(
            .made(mode: .upsert), .made([.made("id", .numeric), .made("a"), .made("d", .inet)], key: ["id"]))
        #expect(
            contents(
                [(nil, #"{"id": 1.0, "a": 1}"#), (nil, #"{"id": 2, "a": 2}"#), (nil, #"{"id": 1, "a": 3}"#)], numeric)
                == [#"id=1.0 a=3 d=\N"#, #"id=2 a=2 d=\N"#])
        // Sets of columns that no message has had come of it.
        #expect(
            contents([row(2, #", "a": 1"#), row(1, #", "c": 3"#), row(1, #", "b": 2"#), row(2, #", "c": 2"#)], target)
                == [#"id=1 b=2 c=3 d=\N"#, #"id=2 a=1 c=2 d=\N"#])
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
        let kept = states(messages, target).compactMap { Int($0.dropFirst()) }
        #expect(Set(kept) == [2, 3, 4, 5, 6, 7])
    }

    @Test("a key of several columns is its columns, not their bytes run together")
    func compositeKey() throws {
        let target = try Target.made(
            .made(mode: .upsert), .made([.made("a"), .made("id"), .made("v")], key: ["a", "id"]))
        func row(_ a: String, _ id: String) -> (key: String?, value: String?) {
            (nil, #"{"a": "\#(a)", "id": "\#(id)"}"#)
        }
        #expect(Set(states([row("x", "yz"), row("xy", "z"), row("x", "yz")], target)) == ["+1", "+2"])
    }

    private struct Spelled: Sendable {
        var type: PostgresType
        var format: Target.Format
        var spellings: [String]

        init(_ type: PostgresType, _ format: Target.Format, _ spellings: String...) {
            self.type = type
            self.format = format
            self.spellings = spellings
        }
    }

    private static let scaled = PostgresType(
        oid: 1700, name: "numeric", formatted: "numeric(6,2)", modifier: (6 << 16 | 2) + 4)
    private static let float8 = PostgresType(oid: 701, name: "float8", formatted: "double precision")
    private static let float4 = PostgresType(oid: 700, name: "float4", formatted: "real")
    private static let char = PostgresType(oid: 1042, name: "bpchar", formatted: "character(4)", modifier: 8)
    private static let uuid = PostgresType(oid: 2950, name: "uuid", formatted: "uuid")

    private static let spelled: [Spelled] = [
        Spelled(.numeric, .binary, "1", "1.0", "1.00", "\"01\"", "10e-1"),
        Spelled(.numeric, .text, "1", "1.0", "1.00", "\"01\"", "10e-1"),
        Spelled(scaled, .binary, "1", "1.001", "0.995", "1.0049999"),
        Spelled(scaled, .text, "100", "99.999", "100.004", "1e2"),
        Spelled(.numeric, .text, "0", "-0", "0.000", "0e5"),
        Spelled(.numeric, .binary, "\"NaN\"", "\"nan\""),
        Spelled(.numeric, .text, "\"NaN\"", "\" nan\""),
        Spelled(.numeric, .text, "\"infinity\"", "\"Inf\""),
        Spelled(.numeric, .text, "\"-infinity\"", "\"-INF\""),
        Spelled(float8, .binary, "0", "-0.0", "0e1"),
        Spelled(float8, .text, "1.5", "15e-1", "\"1.50\""),
        Spelled(float4, .text, "0.1", "0.100000001"),
        Spelled(char, .binary, "\"a\"", "\"a  \""),
        Spelled(char, .text, "\"a\"", "\"a  \""),
        Spelled(
            uuid, .text, "\"abcdef00-0000-4000-8000-000000000001\"", "\"{ABCDEF0000004000-8000-000000000001}\""),
    ]

    @Test("keys with more than one spelling are one key", arguments: spelled.indices)
    func spellings(index: Int) throws {
        let (type, format, spellings) = (
            Self.spelled[index].type, Self.spelled[index].format, Self.spelled[index].spellings
        )
        let target = try target(.upsert, idType: type, format: format)
        #expect(!target.asksForSameKeys)
        let messages = spellings.map { (key: nil as String?, value: #"{"id": \#($0)}"# as String?) }
        #expect(states(messages, target) == ["+\(spellings.count - 1)"])
        let other = #"{"id": \#(type.name == "uuid" ? "\"00000000-0000-0000-0000-000000000001\"" : "7")}"#
        #expect(states(messages + [(key: nil, value: other)], target).count == 2)
    }

    @Test("negative numbers, powers of ten and fractions are keys of their own")
    func numbersApart() throws {
        let ids = ["1", "-1", "10", "0.1", "0.01", "100000", "10000", "1.0001", "12345.678", "1234.5678", "-0.1"]
        for format in [Target.Format.binary, .text] {
            let target = try target(.upsert, idType: .numeric, format: format)
            let messages = (ids + ids).map { (key: nil as String?, value: #"{"id": \#($0)}"# as String?) }
            #expect(Set(states(messages, target)) == Set(ids.indices.map { "+\($0 + ids.count)" }))
        }
    }

    @Test("of keys that only the server can compare it is asked once, about each spelling")
    func serverKeys() throws {
        let citext = PostgresType(oid: 90_000, name: "citext", formatted: "citext")
        let target = try target(.upsert, idType: citext)
        #expect(target.asksForSameKeys)
        func row(_ id: String, _ more: String = "") -> (key: String?, value: String?) {
            (id, #"{"id": "\#(id)"\#(more)}"#)
        }
        var asked: [[Int32]] = []
        let messages = [row("b"), row("A"), row("a"), ("A", nil), row("a", #", "b": 1"#), row("B"), row("c")]
        let found = states(messages, target) { rows in
            asked.append(rows.map(\.message))
            return [[0, 1], [3, 2]]
        }
        // The spellings in order, each by its first row: A, a, B, b, c.
        #expect(asked == [[1, 2, 5, 0, 6]])
        #expect(found == ["-3", "+4", "+5", "+6"])
        // One spelling is one key.
        #expect(states([row("a"), row("a")], target) { _ in [[0]] } == ["+1"])
    }

    @Test("what the server takes for one key may come in pieces")
    func classes() {
        let found = KeyTable.classes(["1 2", "4 3", "2 5", ""], count: 7).map { $0.sorted() }
        #expect(Set(found) == [[1, 2, 5], [3, 4]])
    }

    @Test("a part of the rows is selected by itself, as the careful way needs it")
    func parts() throws {
        let target = try target(.upsert)
        let messages = [row(1), row(2), row(1), row(2)]
        #expect(states(messages, target, part: 0..<2) == ["+0", "+1"])
        #expect(states(messages, target, part: 2..<3) == ["+2"])
        #expect(states(messages, target, part: 1..<4) == ["+2", "+3"])
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
        #expect(
            batch.deadLetters.first?.explanation
                == "public.orders.a is part of the key, and the message's field a is null"
        )
        #expect(RowSelection(batch: batch, target: target).rows.map(\.message) == [3])
    }
}
