import Foundation
import LoadingFixtures
import Postgres
import Records
import Testing

@testable import Loading

@Suite("Values that a route mends")
struct ColumnMendingTests {
    private static let timestamptz = PostgresType(oid: 1184, name: "timestamptz", formatted: "timestamp with time zone")
    private static let bool = PostgresType(oid: 16, name: "bool", formatted: "boolean")
    private static let bytea = PostgresType(oid: 17, name: "bytea", formatted: "bytea")
    private static let date = PostgresType(oid: 1082, name: "date", formatted: "date")
    private static let words = PostgresType(oid: 1009, name: "_text", formatted: "text[]", shape: .array(of: .text))
    private static let short = PostgresType(
        oid: 1043, name: "varchar", formatted: "character varying(3)", modifier: 7)

    /// With a column of `inet` the table's COPY is text, without it binary.
    private func table(_ columns: [Table.Column], isBinary: Bool, key: [String] = []) -> Table {
        .made(columns + (isBinary ? [] : [.made("net", .inet)]), key: key)
    }

    /// A row's fields for people, the same for both formats; `\N` is null.
    private func rows(_ batch: Batch, _ target: Target) -> [[String]] {
        batch.sections.flatMap { section in
            section.rows.map { row in
                var fields = RowFields(row, of: section, target.format)
                let columns = section.kind == .rows ? target.columns[...] : target.keyColumns
                let given = columns.filter { column in
                    column.omissionBit.map { !section.omissions.contains(row.omission, $0) } ?? true
                }
                let texts = given.map { column -> String in
                    guard let value = RowFields.value(of: fields.next(), target.format) else { return #"\N"# }
                    guard target.format == .binary, column.type == .int4 else {
                        return String(decoding: value, as: UTF8.self)
                    }
                    return "\(Int32(bigEndian: value.loadUnaligned(as: Int32.self)))"
                }
                return (row.message, zip(given, texts).filter { $0.0.name != "net" }.map(\.1))
            }
        }.sorted { $0.0 < $1.0 }.map(\.1)
    }

    // MARK: All of them together

    private struct Options: CustomStringConvertible {
        var trims: Bool
        var nullIf: [String]
        var fallback: String?
        var onError: Route.OnError

        static let all: [Options] = [false, true].flatMap { trims in
            [[], ["", "n/a", "-1", "true"]].flatMap { nullIf in
                [nil, "7"].flatMap { fallback in
                    [.deadLetter, .null].map {
                        Options(trims: trims, nullIf: nullIf, fallback: fallback, onError: $0)
                    }
                }
            }
        }

        func column(_ name: String) -> Route.Column {
            Route.Column(name: name, trims: trims, nullIf: nullIf, fallback: fallback, onError: onError)
        }

        var description: String { "trim \(trims), null_if \(nullIf), default \(fallback ?? "–"), on_error \(onError)" }
    }

    private enum Outcome: Equatable {
        case value(String?, nulled: Bool = false)
        case letter(DeadLetter.Reason)
    }

    /// What a message may hold, as JSON; nil: nothing.
    private static let fields: [String?] = [
        nil, "null", #""""#, #"" n/a ""#, #""n/a""#, #""5""#, #"" 5\u00a0""#, #""\u3000""#, "5", "-1", #""abc""#, "{}",
        "[1]", "true", "false", "1.5", "99999999999",
    ]

    /// The rule in other words than the code's.
    private func expected(_ field: String?, _ options: Options, _ type: PostgresType) -> Outcome {
        var json = field == "null" ? nil : field
        var string = json.flatMap {
            $0.hasPrefix("\"") ? try? JSONDecoder().decode(String.self, from: Data($0.utf8)) : nil
        }
        if options.trims { string = string?.trimmingCharacters(in: .whitespacesAndNewlines) }
        if let plain = string ?? json, options.nullIf.contains(plain) { (json, string) = (nil, nil) }
        guard let json else { return .value(options.fallback) }
        func unfit(_ reason: DeadLetter.Reason) -> Outcome {
            options.onError == .null ? .value(nil, nulled: true) : .letter(reason)
        }
        if ["{}", "[1]"].contains(json) { return unfit(.wrongType) }
        if type == .text { return .value(string ?? json) }
        if ["true", "false", "1.5"].contains(json) { return unfit(.wrongType) }
        if json == "99999999999" { return unfit(.outOfRange) }
        guard let number = Int(string?.trimmingCharacters(in: CharacterSet(charactersIn: " ")) ?? json) else {
            return unfit(.badSyntax)
        }
        return .value("\(number)")
    }

    @Test("white space goes, then null_if, then the default, then on_error: each pair, in both formats")
    func pairs() throws {
        for type in [PostgresType.int4, .text] {
            for options in Options.all {
                for isBinary in [true, false] {
                    let table = table([.made("a", type), .made("b")], isBinary: isBinary)
                    let target = try Target.made(.made(columns: [options.column("a")]), table)
                    #expect(target.format == (isBinary ? .binary : .text))
                    let a = try #require(target.columns.firstIndex { $0.name == "a" })
                    let values = Self.fields.map { "{" + ($0.map { #""a":\#($0),"# } ?? "") + #""b":"x"}"# }
                    let batch = Batch.filled(values.map { (nil, $0) }, for: target)
                    var loaded = rows(batch, target)[...]
                    for (message, field) in Self.fields.enumerated() {
                        let isNulled = batch.nulledValues.contains { $0.message == message }
                        let found: Outcome
                        if let letter = batch.deadLetters.first(where: { $0.message == message }) {
                            found = .letter(letter.reason)
                            #expect(letter.column == "a" && !isNulled)
                        } else {
                            let next = loaded.popFirst()
                            let text = try #require(next)[a]
                            found = .value(text == #"\N"# ? nil : text, nulled: isNulled)
                        }
                        #expect(
                            found == expected(field, options, type),
                            "\(field ?? "nothing") into \(type.formatted) with \(options), binary \(isBinary)")
                    }
                    #expect(loaded.isEmpty)
                }
            }
        }
    }

    @Test("without options of its own a column costs nothing: nothing is compiled for it")
    func unused() throws {
        let target = try Target.made(.made(columns: [.init(name: "a", isRequired: true)]), .made([.made("a")]))
        #expect(target.columns.allSatisfy { $0.mending == nil })
    }

    @Test("what Unicode calls white space is trimmed at both ends, and nothing within")
    func whitespace() throws {
        let spaces = (0...0x3100).compactMap { Unicode.Scalar($0) }.filter(\.properties.isWhitespace)
        for space in spaces.map({ String($0) }) + ["\u{20}\u{A0}\u{3000}", ""] {
            let text = space + "a" + space + "é" + space
            let trimmed = Array(text.utf8).withUnsafeBytes { Array($0.trimmingUnicodeWhitespace) }
            #expect(String(decoding: trimmed, as: UTF8.self) == "a" + space + "é", "\(Array(space.unicodeScalars))")
            #expect(Array(space.utf8).withUnsafeBytes { $0.trimmingUnicodeWhitespace.isEmpty })
        }
        for text in ["\u{200B}a\u{FEFF}", "éàÂ", "\u{2009}中\u{85}"] {
            let trimmed = Array(text.utf8).withUnsafeBytes { Array($0.trimmingUnicodeWhitespace) }
            let right = text.trimmingCharacters(
                in: .whitespacesAndNewlines.subtracting(.init(charactersIn: "\u{200B}")))
            #expect(String(decoding: trimmed, as: UTF8.self) == right)
        }
    }

    // MARK: Sources

    @Test("headers, keys and key fields are mended like fields, and a constant is in each row")
    func sources() throws {
        for isBinary in [true, false] {
            let columns: [Table.Column] = ["h", "k", "id", "c", "b"].map { .made($0) }
            let route = Route.made(columns: [
                .init(name: "h", source: .header("h"), trims: true, nullIf: ["-"], fallback: "none"),
                .init(name: "k", source: .key(nil), nullIf: ["{}"], fallback: "keyless"),
                .init(name: "id", source: .key(FieldPath(["id"])), fallback: "anonymous"),
                .init(name: "c", constant: "tab\t\\N"),
            ])
            let target = try Target.made(route, table(columns, isBinary: isBinary))
            let constant = isBinary ? "tab\t\\N" : #"tab\t\\N"#
            func row(_ key: String?, _ headers: [(String, String)]) throws -> [String] {
                let batch = Batch.filled([(key, #"{"b":"x"}"#)], for: target, headers: headers)
                return try #require(rows(batch, target).first)
            }
            #expect(try row(nil, []) == ["none", "keyless", "anonymous", constant, "x"])
            #expect(try row("{}", [("h", " - ")]) == ["none", "keyless", "anonymous", constant, "x"])
            #expect(
                try row(#"{"id":"7"}"#, [("h", " y ")]) == ["y", #"{"id":"7"}"#, "7", constant, "x"])
        }
    }

    @Test("a default stands for the null that a decoded document is")
    func decodedNull() throws {
        let route = Route.made(columns: [.init(name: "doc", decoding: .json, fallback: #"{"none": true}"#)])
        let target = try Target.made(route, table([.made("doc", .jsonb), .made("b")], isBinary: false))
        let batch = Batch.filled([(nil, #"{"doc":"null","b":"x"}"#), (nil, #"{"doc":"[1]","b":"x"}"#)], for: target)
        #expect(rows(batch, target) == [[#"{"none": true}"#, "x"], ["[1]", "x"]])
    }

    @Test("a message without any field is no row of defaults")
    func noFields() throws {
        let route = Route.made(columns: [.init(name: "a", fallback: "1"), .init(name: "c", constant: "2")])
        let target = try Target.made(route, .made([.made("a", .int4), .made("c", .int4)]))
        let batch = Batch.filled([(nil, #"{"other":1}"#), (nil, #"{"a":null}"#)], for: target)
        #expect(batch.deadLetters.map(\.reason) == [.noFields])
        #expect(rows(batch, target) == [["1", "2"]])
    }

    // MARK: Rows that leave columns out

    @Test("the route's default goes before the table's; without one an absent field is still left to the table")
    func sparse() throws {
        for isBinary in [true, false] {
            let columns: [Table.Column] = [
                .made("a", .int4, default: "1"), .made("n", .int4, default: "2"), .made("b"),
            ]
            let route = Route.made(columns: [.init(name: "a", fallback: "5"), .init(name: "n", nullIf: ["x"])])
            let target = try Target.made(route, table(columns, isBinary: isBinary))
            #expect(target.omissible.count == 1)
            let values = [#"{"b":"x"}"#, #"{"n":"x","b":"x"}"#, #"{"n":3,"a":4,"b":"x"}"#]
            let batch = Batch.filled(values.map { (nil, $0) }, for: target)
            #expect(rows(batch, target) == [["5", "x"], ["5", #"\N"#, "x"], ["4", "3", "x"]])
            let nulls = batch.sections.first?.nulls
            #expect(nulls == [1], "a null that is given is told from a column that is left out")
        }
    }

    @Test("a null of a header is told from a column that is left out")
    func nullOfHeader() throws {
        let columns: [Table.Column] = [.made("h", default: "'d'"), .made("b")]
        let route = Route.made(columns: [.init(name: "h", source: .header("h"))])
        let target = try Target.made(route, .made(columns))
        let batch = Batch.filled([(nil, #"{"b":"x"}"#)], for: target)
        #expect(batch.sections.first?.nulls == [1])
    }

    @Test("NULL takes a value's place in rows of both formats, whatever they leave out")
    func setNull() throws {
        for isBinary in [true, false] {
            let columns: [Table.Column] = [
                .made("id", .int4), .made("a", default: "'d'"), .made("n", .int4), .made("b"),
            ]
            let target = try Target.made(
                .made(mode: .upsert, columns: [.init(name: "a", onError: .null), .init(name: "n", onError: .null)]),
                table(columns, isBinary: isBinary, key: ["id"]))
            let batch = Batch.filled(
                [(nil, #"{"id":1,"a":"","n":2,"b":"x"}"#), (nil, #"{"id":2,"n":3,"b":"y"}"#)], for: target)
            let section = try #require(batch.sections.first)
            let names = target.columns.map(\.name)
            let (a, n) = (try #require(names.firstIndex(of: "a")), try #require(names.firstIndex(of: "n")))
            let key = Array(section.key(of: 0, target.format))
            #expect(section.setNull(a, of: 0, target))
            #expect(section.setNull(n, of: 1, target))
            #expect(!section.setNull(a, of: 0, target), "it is null already")
            #expect(!section.setNull(a, of: 1, target), "it is left out")
            #expect(section.nulls == [1])
            #expect(Array(section.key(of: 0, target.format)) == key)
            #expect(rows(batch, target) == [["1", #"\N"#, "2", "x"], ["2", #"\N"#, "y"]])
        }
    }

    @Test(
        "a value that the server cannot read goes with all that are the same, in its column and the rows at hand alone")
    func sameValues() throws {
        let columns: [Table.Column] = [.made("ip", .inet), .made("other", .inet, default: "'::1'"), .made("b")]
        let target = try Target.made(
            .made(columns: [.init(name: "ip", onError: .null), .init(name: "other", onError: .null)]), .made(columns))
        let values = [
            #"{"ip":"x","b":"1"}"#, #"{"ip":"1.1.1.1","other":"x","b":"x"}"#, #"{"ip":"x","other":"x","b":"3"}"#,
            #"{"ip":"xx","b":"4"}"#, #"{"b":"5"}"#, #"{"ip":"x","b":"6"}"#,
        ]
        let batch = Batch.filled(values.map { (nil, $0) }, for: target)
        let selection = RowSelection(batch: batch, target: target)
        func refusal(_ column: String, _ row: Int, domain: String? = nil) -> Refusal {
            Refusal(
                error: PostgresError(
                    .server, sqlState: .invalidTextRepresentation, message: "",
                    context: "COPY orders, line \(row + 1), column \(column): \"x\"", dataType: domain,
                    copyLine: row + 1),
                withRows: true, row: selection.rows[row])
        }
        let lines = { batch.lines.map { $0.joined(separator: " ") } }
        #expect(!selection.setNull(refusal("b", 0), 0..<5), "nothing is said of that column")
        #expect(selection.setNull(refusal("ip", 0), 0..<5))
        #expect(
            lines() == [#"\N 1"#, "1.1.1.1 x x", #"\N x 3"#, "xx 4", #"\N 5"#, "x 6"])
        #expect(batch.nulledValues.map(\.message) == [0, 2])
        #expect(!selection.setNull(refusal("ip", 0), 0..<5), "there is nothing left to take away")
        #expect(
            selection.setNull(refusal("other", 1, domain: "d"), 0..<5),
            "a domain's check may say another thing of the next")
        #expect(lines()[1...2] == [#"1.1.1.1 \N x"#, #"\N x 3"#])
    }

    // MARK: Keys

    @Test("a row and the tombstone that deletes it have the same mended key")
    func keys() throws {
        for isBinary in [true, false] {
            let columns: [Table.Column] = [.made("tenant"), .made("region"), .made("id"), .made("b")]
            let route = Route.made(
                mode: .upsert,
                columns: [
                    .init(name: "tenant", constant: "main"), .init(name: "region", nullIf: ["-"], fallback: "eu"),
                    .init(name: "id", trims: true),
                ])
            let target = try Target.made(
                route, table(columns, isBinary: isBinary, key: ["tenant", "region", "id"]))
            let batch = Batch.filled(
                [(nil, #"{"id":" 7 ","region":"-","b":"x"}"#), (#"{"id":"7 "}"#, nil)], for: target)
            #expect(batch.deadLetters.isEmpty)
            let keys = batch.sections.map { Array($0.key(of: 0, target.format)) }
            try #require(keys.count == 2)
            #expect(keys[0] == keys[1])
        }
    }

    @Test("beside constants the key of one field is the whole key of a tombstone")
    func plainKey() throws {
        let columns: [Table.Column] = [.made("tenant"), .made("id", .int4), .made("b")]
        let route = Route.made(mode: .upsert, columns: [.init(name: "tenant", constant: "main")])
        let target = try Target.made(route, .made(columns, key: ["tenant", "id"]))
        let batch = Batch.filled([("42", nil)], for: target)
        #expect(batch.deadLetters.isEmpty)
        #expect(rows(batch, target).first?.prefix(2) == ["main", "42"])
    }

    @Test("what is null by null_if is no key")
    func nullKey() throws {
        let route = Route.made(mode: .upsert, columns: [.init(name: "id", nullIf: ["n/a"])])
        let target = try Target.made(route, .made([.made("id"), .made("b")], key: ["id"]))
        let batch = Batch.filled([(nil, #"{"id":"n/a","b":"x"}"#), ("n/a", nil)], for: target)
        #expect(batch.deadLetters.map(\.reason) == [.null, .missingField])
        #expect(
            batch.deadLetters.map(\.explanation)
                == Array(
                    repeating: "public.orders.id is part of the key, and what id has counts as null", count: 2
                ))
    }

    // MARK: Counting

    @Test("values that became NULL are counted by column, but not for messages that were refused all the same")
    func counting() throws {
        let columns: [Table.Column] = [.made("a", .int4), .made("b", .int4), .made("c", .int4)]
        let route = Route.made(columns: [.init(name: "a", onError: .null), .init(name: "c", onError: .null)])
        let target = try Target.made(route, .made(columns))
        let batch = Batch.filled(
            [
                (nil, #"{"a":"x","b":1,"c":"y"}"#), (nil, #"{"a":"x","b":"bad","c":1}"#), (nil, #"{"a":"x","b":1}"#),
                (nil, #"{"a":"x","b":2}"#),
            ], for: target)
        #expect(batch.deadLetters.map(\.column) == ["b"])
        let late = DeadLetter(message: 3, target: 0, reason: .refused, explanation: "")
        let counts = batch.nulledValues(of: 0..<4, except: batch.deadLetters + [late], [target])
        #expect(counts.reduce(into: [:]) { $0[$1.key.column] = $1.value } == ["a": 2, "c": 1])
        #expect(batch.nulledValues(of: 2..<3, except: [], [target]).values.reduce(0, +) == 1)
        #expect(Set(counts.keys.map(\.route)) == ["routes[0]"])
    }

    // MARK: Defaults and constants

    @Test(
        "a default is read as its column reads a message's string, and JSON where the column holds documents",
        arguments: [
            (.int4, "0", "0"), (.text, "", ""), (.text, "a\tb", #"a\tb"#), (bool, "yes", "t"), (.jsonb, "{}", "{}"),
            (.jsonb, #""new""#, #""new""#), (words, "{a,b}", #"{"a","b"}"#), (words, #"["a", "b"]"#, #"{"a","b"}"#),
            (words, "[]", "{}"), (bytea, #"\x00ff"#, #"\\x00ff"#), (date, "2024-01-31", "2024-01-31"),
            (timestamptz, "2024-01-31T00:00:00Z", "2024-01-31 00:00:00+00"), (.inet, "10.0.0.1", "10.0.0.1"),
        ] as [(PostgresType, String, String)])
    func defaults(type: PostgresType, text: String, field: String) throws {
        for isConstant in [false, true] {
            let column =
                isConstant ? Route.Column(name: "a", constant: text) : Route.Column(name: "a", fallback: text)
            let target = try Target.made(
                .made(columns: [column]), table([.made("a", type), .made("b")], isBinary: false))
            let batch = Batch.filled([(nil, #"{"b":"x"}"#)], for: target)
            #expect(rows(batch, target) == [[field, "x"]])
        }
    }

    @Test(
        "a default that the column cannot hold is a mistake of the configuration",
        arguments: [
            (.int4, "abc", "is no integer"), (.int4, "99999999999", "is beyond integer"),
            (short, "abcd", "is longer than character varying(3)"), (.jsonb, "new", "is no JSON"),
            (.jsonb, "null", "is null"), (timestamptz, "2024-01-31T00:00:00", "names no zone"),
            (date, "0", "is no date"), (words, "[1", "is no JSON"), (.text, "a\u{0}b", "U+0000"),
        ] as [(PostgresType, String, String)])
    func impossible(type: PostgresType, text: String, words: String) {
        for (option, column) in [
            ("default", Route.Column(name: "a", fallback: text)), ("constant", Route.Column(name: "a", constant: text)),
        ] {
            let found = problems(.made(columns: [column]), .made([.made("a", type), .made("b")]))
            #expect(found.map(\.code) == [.badOption])
            #expect(found.first?.problem.hasPrefix("\(option) of public.orders.a ") == true, "\(found)")
            #expect(found.first?.problem.contains(words) == true, "\(found)")
        }
    }

    private func problems(_ route: Route, _ table: Table) -> [SetupProblem] {
        switch Target.compile(route, index: 0, table: table) {
        case .success: []
        case .failure(let found): found.problems
        }
    }

    @Test(
        "an option that mends nothing where it stands is a mistake",
        arguments: [
            (
                .init(name: "a", source: .offset, trims: true), "trimming public.orders.a has no effect",
                .takeOut(.trims, .column)
            ),
            (
                .init(name: "a", source: .topic, nullIf: ["x"]), "null for x in public.orders.a",
                .takeOut(.nullIf, .column)
            ),
            (
                .init(name: "a", trims: true, nullIf: ["n/a", " x"]), "null for \" x\" in public.orders.a",
                .withoutOuterSpace
            ),
            (
                .init(name: "a", source: .partition, fallback: "1"), "default of public.orders.a",
                .takeOut(.fallback, .column)
            ),
            (
                .init(name: "a", source: .value, fallback: "1"), "default of public.orders.a",
                .takeOut(.fallback, .column)
            ),
            (
                .init(name: "a", source: .now, onError: .null), "NULL for what does not fit public.orders.a",
                .takeOut(.onError, .column)
            ),
            (
                .init(name: "id", onError: .null), "NULL for what does not fit public.orders.id",
                .takeOut(.onError, .column)
            ),
            (
                .init(name: "nn", onError: .null), "NULL for what does not fit public.orders.nn",
                .takeOutOrDropNotNull(.onError)
            ),
            (
                .init(name: "id", fallback: "1"), "the key of public.orders (id) has a default",
                .freeKey(isConstant: false)
            ),
            (
                .init(name: "id", constant: "1"), "the key of public.orders (id) has a constant",
                .freeKey(isConstant: true)
            ),
        ] as [(Route.Column, String, Mend.Routing)])
    func withoutEffect(column: Route.Column, words: String, mend: Mend.Routing) {
        let table = Table.made([.made("id"), .made("a"), .made("nn", isNotNull: true)], key: ["id"])
        let found = problems(.made(mode: .upsert, columns: [column]), table)
        #expect(found.map(\.code) == [.badOption])
        #expect(found.first?.problem.contains(words) == true, "\(found)")
        #expect(found.first?.mend == .routing(mend))
    }

    @Test("a message's own time may be missing or absurd, so it takes a default and on_error")
    func timestamp() throws {
        let route = Route.made(
            columns: [.init(name: "at", source: .timestamp, fallback: "2000-01-01T00:00:00Z", onError: .null)])
        let target = try Target.made(route, table([.made("at", Self.timestamptz), .made("b")], isBinary: false))
        func row(_ time: Int64) -> [[String]] {
            rows(Batch.filled([(nil, #"{"b":"x"}"#)], for: target, timestamp: time), target)
        }
        #expect(row(.min) == [["2000-01-01 00:00:00+00", "x"]])
        #expect(row(.max) == [[#"\N"#, "x"]])
    }
}
