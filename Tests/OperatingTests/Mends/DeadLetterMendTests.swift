import Loading
import Testing

@testable import Operating

@Suite("Mends of dead letters")
struct DeadLetterMendTests {
    private func mend(_ reason: String, _ value: String?, column: String? = "total") -> String {
        DeadLetterMend.text(
            LetterKind(table: "public.orders", column: column, reason: reason, sqlState: nil),
            value.flatMap { Array($0.utf8).withUnsafeBytes { Route.TombstoneForm($0) } })
    }

    @Test("what some producers write for a deletion is named with the line of the route that takes it for one")
    func deletions() {
        for value in ["null", " null\n"] {
            #expect(
                mend("not_an_object", value)
                    == "if it is a deletion: `tombstones: json_null` in the route, then `loader dead-letters replay`; else "
                    + "mend the producer; such messages fit no route, so once they are sent again: "
                    + "`loader dead-letters purge --reason not_an_object`")
        }
        #expect(mend("invalid_json", "").hasPrefix("if it is a deletion: `tombstones: empty` in the route"))
        for value in ["nullx", "null 1", "[]", "{", nil] {
            #expect(mend("invalid_json", value).hasPrefix("mend the producer"), "\(value ?? "none")")
        }
    }

    @Test("what counts as null by the route has the key that says so, and a message without a field that of the route")
    func keys() {
        #expect(mend("null_in_not_null", "{}").contains("`null_if`"))
        #expect(mend("no_fields", "{}").contains("`on_no_fields: load`"))
        #expect(mend("nul", "{}").contains("`on_nul: strip`"))
        #expect(mend("tombstone", nil).contains("`on_tombstone: delete`"))
        #expect(mend("missing_zone", "{}").contains("`zone`"))
        #expect(mend("bad_syntax", "{}").contains("`decode`") && mend("wrong_type", "{}").contains("`unit`"))
    }

    @Test("a message that is none of the route's format is the format's to mend, or the producer's, and no column's")
    func format() {
        let words = mend("bad_syntax", "{", column: nil)
        #expect(words.contains("`format`") && words.contains("mend the producer") && !words.contains("public.orders"))
        #expect(words.contains("`loader dead-letters purge --reason bad_syntax`"))
    }

    @Test("the log's line of dead letters says what to do about the first, where there is a table to replay from")
    func log() {
        let kind = LetterKind(table: "public.orders", column: "v", reason: "nul", sqlState: nil)
        #expect(
            Mend.letters(.dead(kind, nil, inTable: true)).words
                == "look with `loader dead-letters list`; set `on_nul: strip` or `replace` in the route, then "
                + "`loader dead-letters replay`")
        #expect(Mend.letters(.dead(kind, nil, inTable: false)).words == "look into the topic of dead_letters.topic")
    }
}
