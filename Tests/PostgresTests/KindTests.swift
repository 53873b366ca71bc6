import Postgres
import Testing

/// Which type takes which kind; no server is asked.
@Suite("Values of any kind") struct KindTests {
    private static let scalars: [(name: String, made: MadeValue)] = [
        ("integer", .integer(1)), ("unsigned", .unsigned(1)), ("double", .double(1)), ("float", .float(1)),
        ("decimal", .decimal("1", 0)), ("bytes", .bytes([0x61])), ("day", .day(0)), ("timeOfDay", .timeOfDay(0)),
        ("instant", .instant(0)), ("localTime", .localTime(0)), ("interval", .interval(0, 0, 0)), ("uuid", .uuid(0, 0)),
        ("list", .list([.integer(1)])), ("record", .record([.init("a", .integer(1))])),
    ]
    private static let numbers: Set = ["integer", "unsigned", "double", "float", "decimal"]
    private static let inText = numbers.union(["bytes", "day", "timeOfDay", "instant", "localTime", "interval", "uuid"])
    private static let all = inText.union(["list", "record"])

    /// What a type takes; everything else is `wrongType`, but for the reasons that are given.
    struct Rule: Sendable, CustomStringConvertible {
        var type: PostgresType
        var takes: Set<String>
        var reasons: [String: EncodingFailure.Reason] = [:]
        var options = EncodingOptions()

        var description: String { type.formatted }
    }

    private static let unitIsMissing = Dictionary(
        uniqueKeysWithValues: numbers.map { ($0, EncodingFailure.Reason.missingUnit) })
    private static let noZone: [String: EncodingFailure.Reason] = ["day": .missingZone, "localTime": .missingZone]

    static let rules: [Rule] = [
        Rule(type: .bool, takes: numbers), Rule(type: .int2, takes: numbers), Rule(type: .int4, takes: numbers),
        Rule(type: .int8, takes: numbers.union(["instant"])), Rule(type: .float4, takes: numbers),
        Rule(type: .float8, takes: numbers), Rule(type: .numeric, takes: numbers),
        Rule(type: .numeric(6, 2), takes: numbers), Rule(type: .text, takes: inText),
        Rule(type: .varchar(99), takes: inText), Rule(type: .char(99), takes: inText),
        Rule(type: .domain(over: .text), takes: inText), Rule(type: .inet, takes: inText),
        Rule(type: .mood, takes: []), Rule(type: .bytea, takes: ["bytes", "uuid"]),
        Rule(type: .uuid, takes: ["uuid"], reasons: ["bytes": .badSyntax]),
        Rule(type: .date, takes: ["day", "instant", "localTime"], reasons: unitIsMissing),
        Rule(type: .timestamp, takes: ["day", "instant", "localTime"], reasons: unitIsMissing),
        Rule(type: .timestamptz, takes: ["instant"], reasons: unitIsMissing.merging(noZone) { $1 }),
        Rule(
            type: .timestamptz, takes: ["day", "instant", "localTime"], reasons: unitIsMissing,
            options: EncodingOptions(timeZone: "Europe/Berlin")),
        Rule(
            type: .timestamp, takes: numbers.union(["day", "instant", "localTime"]),
            options: EncodingOptions(epochUnit: .milliseconds)),
        Rule(
            type: .date, takes: numbers.union(["day", "instant", "localTime"]),
            options: EncodingOptions(epochUnit: .days)),
        Rule(type: .time, takes: ["timeOfDay"], reasons: unitIsMissing),
        Rule(type: .time, takes: numbers.union(["timeOfDay"]), options: EncodingOptions(epochUnit: .seconds)),
        Rule(type: .timetz, takes: ["timeOfDay"], reasons: unitIsMissing),
        Rule(type: .interval, takes: ["interval"], reasons: unitIsMissing),
        Rule(type: .interval, takes: numbers.union(["interval"]), options: EncodingOptions(epochUnit: .days)),
        Rule(type: .json, takes: all), Rule(type: .jsonb, takes: all),
        Rule(type: .array(of: .int4), takes: ["list"]), Rule(type: .hstore, takes: ["record"]),
        Rule(
            type: PostgresType(
                oid: 90002, name: "c", formatted: "c",
                shape: .composite(attributes: [.init(name: "a", type: .int4)])),
            takes: ["record"]),
        // An extension's type, whose text may be JSON.
        Rule(type: PostgresType(oid: 90003, name: "vector", formatted: "vector"), takes: all),
    ]

    @Test("a type takes the kinds that it can hold, and refuses the others alike in both formats", arguments: rules)
    func matrix(rule: Rule) {
        for (name, made) in Self.scalars {
            let encoded = Encoded(rule.type, made, rule.options)
            if rule.takes.contains(name) {
                #expect(encoded.text != nil, "\(rule) \(name): \(encoded)")
            } else {
                #expect(encoded == .refused(rule.reasons[name] ?? .wrongType), "\(rule) \(name)")
            }
        }
    }

    @Test("what is not whole is no integer, and what is too large for a type is said to be beyond it")
    func limits() {
        for made in [MadeValue.double(1.5), .float(0.5), .decimal("15", 1), .double(-1e-9)] {
            #expect(Encoded(.int4, made) == .refused(.wrongType), "\(made)")
        }
        for made in [
            MadeValue.double(.nan), .double(.infinity), .float(.nan), .double(1e300), .unsigned(1 << 63),
            .decimal("9223372036854775808", 0), .decimal("1", -40), .decimal("1", .min),
        ] {
            #expect(Encoded(.int8, made) == .refused(.outOfRange), "\(made)")
        }
        #expect(Encoded(.float4, .double(1e39)) == .refused(.outOfRange))
        #expect(Encoded(.float4, .double(1e-50)) == .refused(.outOfRange))
        #expect(Encoded(.float8, .decimal("1", -400)) == .refused(.outOfRange))
        #expect(Encoded(.numeric, .decimal("1", 16384)) == .refused(.outOfRange))
        #expect(Encoded(.numeric, .decimal("1", -131_072)) == .refused(.outOfRange))
        #expect(Encoded(.numeric(5, 2), .decimal("999995", 3)) == .refused(.outOfRange))
        #expect(Encoded(.numeric(5, 2), .double(.infinity)) == .refused(.outOfRange))
        #expect(Encoded(.varchar(3), .integer(1000)) == .refused(.tooLong))
        #expect(Encoded(.varchar(3), .bytes(Array("abcd".utf8))) == .refused(.tooLong))
    }

    @Test("an enum's value is its number where the column counts, and its name where it is text")
    func symbols() {
        let happy = MadeValue.symbol("happy", -2)
        for type in [PostgresType.int2, .int4, .int8, .float4, .float8, .numeric] {
            #expect(Encoded(type, happy).text == "-2", "\(type)")
        }
        for type in [PostgresType.text, .varchar(99), .mood, .inet] {
            #expect(Encoded(type, happy).text == "happy", "\(type)")
        }
        #expect(Encoded(.jsonb, happy).text == #""happy""#)
        #expect(Encoded(.jsonb, .symbol(#"a"b"#, 1)).text == #""a\\"b""#)
        #expect(Encoded(.jsonb, .list([happy])).text == #"["happy"]"#)
        #expect(Encoded(.bool, .symbol("yes", 7)).text == "t")
        #expect(Encoded(.bool, .symbol("PAID", 1)) == .refused(.badSyntax))
        #expect(Encoded(.varchar(3), happy) == .refused(.tooLong))
        #expect(Encoded(.int2, .symbol("LARGE", 1 << 20)) == .refused(.outOfRange))
        #expect(Encoded(.uuid, happy) == .refused(.wrongType))
    }

    @Test("a unit says of any number what it counts")
    func units() {
        let milliseconds = EncodingOptions(epochUnit: .milliseconds)
        let written = Encoded(.timestamptz, .json("1770091506700"), milliseconds)
        let numbers: [MadeValue] = [
            .integer(1_770_091_506_700), .unsigned(1_770_091_506_700), .double(1_770_091_506_700),
            .decimal("17700915067000", 1),
        ]
        for made in numbers { #expect(Encoded(.timestamptz, made, milliseconds) == written, "\(made)") }
        #expect(Encoded(.timestamptz, .double(.nan), milliseconds) == .refused(.badSyntax))
        #expect(Encoded(.interval, .integer(90), EncodingOptions(epochUnit: .seconds)).text == "0:01:30")
    }

    @Test("bytes are text only if they are UTF-8, and U+0000 among them is treated as in a string")
    func bytesAsText() {
        #expect(Encoded(.text, .bytes([0xC3, 0xA9])).text == "é")
        #expect(Encoded(.text, .bytes([0xFF])) == .refused(.invalidUTF8))
        #expect(Encoded(.inet, .bytes([0xFF])) == .refused(.invalidUTF8))
        #expect(Encoded(.text, .bytes([0x61, 0])) == .refused(.nul))
        #expect(Encoded(.text, .bytes([0x61, 0]), EncodingOptions(onNul: .strip)).text == "a")
    }

    @Test("what bytes or a string stand for is read by the route's `decode`")
    func decoding() {
        let json = EncodingOptions(decoding: .json)
        let document = MadeValue.bytes(Array(#"{"a": 1}"#.utf8))
        #expect(Encoded(.jsonb, document, json).text == #"{"a": 1}"#)
        #expect(Encoded(.jsonb, .integer(7), json).text == "7")
        #expect(Encoded(.bytea, .bytes(Array("YQ==".utf8)), EncodingOptions(decoding: .base64)).text == #"\\x61"#)
    }

    @Test("a record in jsonb is treated by on_nul, its names too, and json keeps what it has")
    func nul() {
        let made: MadeValue = .record([.init("a\0", .list([.string("\0b")]))])
        #expect(Encoded(.jsonb, made) == .refused(.nul))
        #expect(Encoded(.jsonb, made, EncodingOptions(onNul: .strip)).text == #"{"a":["b"]}"#)
        #expect(Encoded(.json, made).text == #"{"a\\u0000":["\\u0000b"]}"#)
    }

    @Test("a record becomes an hstore by its names, what is nested as its JSON")
    func hstore() {
        let made: MadeValue = .record([
            .init("q\"", .decimal("150", 2)), .init("n", .null), .init("l", .list([.integer(1), .string("x")])),
        ])
        #expect(Encoded(.hstore, made).text == #""q\\""=>"1.50","n"=>NULL,"l"=>"[1,\\"x\\"]""#)
    }

    @Test("no message of a few bytes becomes a long text, and none of many takes the time of a proof")
    func hostileDecimals() {
        let types: [PostgresType] = [.text, .json, .jsonb, .numeric, .float8, .int8, .numeric(10, 2)]
        for scale in [Int32.max, .min, 1_000_000, -1_000_000] {
            for type in types {
                guard let text = Encoded(type, .decimal("123456789", scale)).text else { continue }
                #expect(text.utf8.count < 64, "\(type.formatted) of scale \(scale)")
            }
        }
        // 2466 digits are as many as a decimal may have.
        let greatest = [0x7F] + [UInt8](repeating: 0xFF, count: 1023)
        #expect(Encoded(.text, .unscaled(greatest, 0)).text?.utf8.count == 2466)
        #expect(Encoded(.text, .unscaled([0] + greatest, 0)).text?.utf8.count == 2466)
        for type in types {
            #expect(Encoded(type, .unscaled([1] + greatest, 0)) == .refused(.outOfRange))
            #expect(
                Encoded(type, .unscaled([0x7F] + [UInt8](repeating: 0, count: 1 << 20), 0)) == .refused(.outOfRange))
        }
    }
}
