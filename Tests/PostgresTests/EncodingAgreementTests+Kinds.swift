import Postgres
import TestSupport
import Testing

/// Values that are no text, as formats other than JSON have them: what is loaded is what PostgreSQL reads of the text
/// that means the same.
extension EncodingAgreementTests {
    /// A number, its text, and the same in plain digits where it is whole.
    private struct Number {
        var made: MadeValue
        var text: String
        var whole: String?
        /// In a `float8`, where it is another than its text says.
        var wide: String?

        init(_ made: MadeValue, _ text: String, whole: String? = nil, wide: String? = nil) {
            self.made = made
            self.text = text
            self.whole = whole
            self.wide = wide
        }
    }

    /// No number and no time: what the server must refuse, because the encoders do.
    private static let refused = "?"

    private static let numbers: [Number] =
        [0, 1, -7, 32767, -32769, 2_147_483_647, -2_147_483_649, .max, .min].map { (value: Int64) in
            Number(.integer(value), "\(value)", whole: "\(value)")
        } + [
            Number(.unsigned(42), "42", whole: "42"),
            Number(.unsigned(.max), "18446744073709551615", whole: "18446744073709551615"),
            Number(.double(0), "0", whole: "0"), Number(.double(-0.0), "-0", whole: "0"),
            Number(.double(1), "1", whole: "1"), Number(.double(1.5), "1.5"), Number(.double(0.1), "0.1"),
            Number(.double(0.1 + 0.2), "0.30000000000000004"), Number(.double(0.0001), "0.0001"),
            Number(.double(0.00001), "1e-05"), Number(.double(-1.25e-7), "-1.25e-07"),
            Number(.double(999_999_999_999_999), "999999999999999", whole: "999999999999999"),
            Number(.double(1e15), "1e+15", whole: "1000000000000000"),
            Number(.double(9_007_199_254_740_992), "9.007199254740992e+15", whole: "9007199254740992"),
            Number(.double(-9_223_372_036_854_775_808), "-9.223372036854776e+18", whole: "-9223372036854775808"),
            Number(.double(9_223_372_036_854_775_808), "9.223372036854776e+18", whole: "9223372036854775808"),
            Number(.double(1.7976931348623157e308), "1.7976931348623157e+308"),
            Number(.double(.leastNonzeroMagnitude), "5e-324"),
            Number(.double(.nan), "NaN"), Number(.double(.infinity), "Infinity"),
            Number(.double(-.infinity), "-Infinity"),
            Number(.float(0.1), "0.1", wide: "0.10000000149011612"),
            Number(.float(16_777_216), "1.6777216e+07", whole: "16777216"),
            Number(.float(999_999), "999999", whole: "999999"), Number(.float(-2.5), "-2.5"),
            Number(.float(3.4028235e38), "3.4028235e+38", wide: "3.4028234663852886e+38"),
            Number(.float(.leastNonzeroMagnitude), "1e-45", wide: "1.401298464324817e-45"), Number(.float(.nan), "NaN"),
            Number(.decimal("12345", 2), "123.45"), Number(.decimal("-12345", 2), "-123.45"),
            Number(.decimal("-5", 3), "-0.005"), Number(.decimal("500", 2), "5.00", whole: "5"),
            Number(.decimal("0", 0), "0", whole: "0"), Number(.decimal("0", 9), "0.000000000", whole: "0"),
            Number(.decimal("5", -3), "5e3", whole: "5000"), Number(.decimal("1", 60), "1e-60"),
            Number(.decimal("99994", 2), "999.94"), Number(.decimal("999994", 3), "999.994"),
            Number(.decimal("999995", 3), "999.995"), Number(.decimal("-1000", 0), "-1000", whole: "-1000"),
            Number(
                .decimal("-99999999999999999999999999999999999999", 38), "-0.99999999999999999999999999999999999999"),
            Number(
                .decimal("1234567890123456789012345678901234567890", 20), "12345678901234567890.12345678901234567890"),
            Number(
                .decimal("-170141183460469231731687303715884105728", 0), "-170141183460469231731687303715884105728",
                whole: "-170141183460469231731687303715884105728"),
            Number(.decimal("1000000000000000000000000000", 27), "1.000000000000000000000000000", whole: "1"),
            Number(.unscaled([], 2), "0.00", whole: "0"), Number(.unscaled([0xFF, 0xFF, 0xFF, 0x85], 1), "-12.3"),
            Number(.unscaled([0, 0, 0, 0xFF], 1), "25.5"),
        ]
        + [127, 128, 255, 256, -128, -129, -256, -257, 65535, 1 << 32, -1 << 32, 4_294_967_295].map { (value: Int64) in
            Number(.decimal("\(value)", 0), "\(value)", whole: "\(value)")
        }

    private static let numberSubjects: [Subject] = {
        let wholes = numbers.map { Sample($0.made, $0.whole ?? refused) }
        let texts = numbers.map { Sample($0.made, $0.text) }
        let isName = { (text: String) in text == "NaN" || text.hasSuffix("Infinity") }
        let documents = numbers.map { Sample($0.made, isName($0.text) ? "\"\($0.text)\"" : $0.text) }
        return [PostgresType.bool, .int2, .int4, .int8].map { Subject(type: $0, samples: wholes) }
            + [PostgresType.numeric, .numeric(5, 2), .numeric(3, -2), .numeric(60, 30), .float4, .text, .varchar(3)].map
        {
            Subject(type: $0, samples: texts)
        } + [Subject(type: .float8, samples: numbers.map { Sample($0.made, $0.wide ?? $0.text) })]
            + [PostgresType.json, .jsonb].map { Subject(type: $0, samples: documents) }
    }()

    private static func inText(_ samples: [Sample]) -> [Subject] {
        let taken = samples.filter { $0.literal != refused }
        return [Subject(type: .text, samples: taken)]
            + [PostgresType.json, .jsonb].map { type in
                Subject(type: type, samples: taken.map { Sample($0.made, "\"\($0.literal ?? "")\"") })
            }
    }

    private static let timeSubjects: [Subject] = {
        let days = [
            Sample(.day(0), "1970-01-01"), Sample(.day(-1), "1969-12-31"), Sample(.day(20487), "2026-02-03"),
            Sample(.day(-2_440_588), "4714-11-24 BC"), Sample(.day(-2_440_589), refused),
            Sample(.day(106_751_991), "294247-01-10"), Sample(.day(2_145_042_905), "5874897-12-31"),
            Sample(.day(2_145_042_906), refused), Sample(.day(Int64(Int32.max)), refused),
            Sample(.day(Int64(Int32.min)), refused), Sample(.day(.max), refused), Sample(.day(.min), refused),
        ]
        let moments: [(Int64, String)] = [
            (0, "1970-01-01T00:00:00"), (-1, "1969-12-31T23:59:59.999999"),
            (1_770_091_506_700_000, "2026-02-03T04:05:06.7"), (1_774_744_200_000_000, "2026-03-29T00:30:00"),
            (1_774_751_400_000_000, "2026-03-29T02:30:00"), (1_792_895_400_000_000, "2026-10-25T02:30:00"),
            (-210_866_803_200_000_000, "4714-11-24T00:00:00 BC"), (-210_866_803_200_000_001, refused),
            (.max - 1, "294247-01-10T04:00:54.775806"), (.max, refused), (.min, refused),
        ]
        func written(_ text: String, _ zone: String) -> String {
            guard text != refused else { return text }
            return text.hasSuffix(" BC") ? text.dropLast(3) + zone + " BC" : text + zone
        }
        let instants = moments.map { Sample(.instant($0.0), written($0.1, "Z")) }
        let locals = moments.map { Sample(.localTime($0.0), $0.1) }
        let clock = [
            Sample(.timeOfDay(0), "00:00:00"), Sample(.timeOfDay(86_399_999_999), "23:59:59.999999"),
            Sample(.timeOfDay(43_200_000_500), "12:00:00.0005"), Sample(.timeOfDay(86_400_000_000), "24:00:00"),
            Sample(.timeOfDay(86_400_000_001), refused), Sample(.timeOfDay(-1), refused),
            Sample(.timeOfDay(.max), refused), Sample(.timeOfDay(.min), refused),
        ]
        let zones = ["Europe/Berlin", "America/St_Johns", "+05:30"].map { EncodingOptions(timeZone: $0) }
        return [PostgresType.date, .timestamp].map { Subject(type: $0, samples: days + instants + locals) }
            + zones.map { Subject(type: .timestamptz, options: $0, samples: days + instants + locals) }
            + [
                Subject(type: .timestamptz, samples: instants),
                // What a clock shows there then, also beyond midnight.
                Subject(
                    type: .timestamp, options: zones[0],
                    samples: [Sample(.instant(1_770_091_506_700_000), "2026-02-03 05:05:06.7")] + days + locals),
                Subject(
                    type: .date, options: zones[0],
                    samples: [
                        Sample(.instant(1_770_161_400_000_000), "2026-02-04"), Sample(.localTime(-1), "1969-12-31"),
                    ]
                ),
                Subject(
                    type: .int8,
                    samples: [
                        Sample(.instant(1_770_091_506_700_999), "1770091506700"), Sample(.instant(-1), "-1"),
                        Sample(.instant(.max), refused),
                    ]),
                Subject(type: .time, samples: clock),
                Subject(
                    type: .timetz,
                    samples: clock.map { Sample($0.made, $0.literal.map { $0 == refused ? $0 : $0 + "+00" }) }),
            ] + inText(days + instants + locals + clock)
    }()

    private static let otherSubjects: [Subject] = {
        let intervals: [(MadeValue, String, String)] = [
            (.interval(0, 0, 0), "PT0S", "0"), (.interval(1, 0, 0), "P1M", "1 mon"),
            (.interval(0, 1, 0), "P1D", "1 day"),
            (.interval(14, 3, 3_723_000_001), "P1Y2M3DT1H2M3.000001S", "1 year 2 mons 3 days 01:02:03.000001"),
            (.interval(-14, -3, -1), "P-1Y-2M-3DT-0.000001S", "-1 years -2 mons -3 days -00:00:00.000001"),
            (.interval(-1, 40, -90_500_000), "P-1M40DT-1M-30.5S", "-1 mons 40 days -00:01:30.5"),
            (.interval(0, 0, -3_600_000_000), "PT-1H", "-01:00:00"),
            (.interval(.max, .min, 0), "P178956970Y7M-2147483648D", "178956970 years 7 mons -2147483648 days"),
            // The greatest that Avro has, but for its sign.
            (
                .interval(.max, .max, 4_294_967_295_000), "P178956970Y7M2147483647DT1193H2M47.295S",
                "178956970 years 7 mons 2147483647 days 1193:02:47.295"
            ), (.interval(0, 0, 2_147_483_647 * 3_600_000_000), "PT2147483647H", "2147483647:00:00"),
        ]
        let uuid = MadeValue.uuid(0x0011_2233_4455_6677, 0x8899_AABB_CCDD_EEFF)
        let written = "00112233-4455-6677-8899-aabbccddeeff"
        let sixteen = MadeValue.bytes((0..<16).map { UInt8($0 * 0x11) })
        return [
            Subject(
                type: .interval,
                samples: intervals.map { Sample($0.0, $0.2) } + [Sample(.interval(0, 0, .max), refused)]),
            Subject(
                type: .uuid, samples: [Sample(uuid, written), Sample(sixteen, written), Sample(.bytes([]), refused)]),
            Subject(
                type: .bytea,
                samples: [
                    Sample(.bytes([0, 0xFF, 0x5C]), "\\x00ff5c"), Sample(.bytes([]), "\\x"),
                    // No hexadecimal, as it would be in a string.
                    Sample(.bytes(Array("\\x41".utf8)), "\\x5c783431"),
                    Sample(uuid, "\\x00112233445566778899aabbccddeeff"),
                ]),
            Subject(
                type: .text,
                samples: [
                    Sample(.bytes(Array("é\t\\N😀".utf8)), "é\t\\N😀"), Sample(.bytes([]), ""), Sample(uuid, written),
                ] + intervals.map { Sample($0.0, $0.1) }),
            Subject(
                type: .jsonb,
                samples: [
                    Sample(.bytes([]), #""""#), Sample(.bytes([0]), #""AA==""#), Sample(.bytes([0, 0xFB]), #""APs=""#),
                    Sample(.bytes([0xFF, 0xEF, 0xBE]), #""/+++""#), Sample(uuid, "\"\(written)\""),
                ] + intervals.map { Sample($0.0, "\"\($0.1)\"") }),
            Subject(type: .inet, samples: [Sample(.bytes(Array("10.0.0.1".utf8)), "10.0.0.1")]),
            Subject(
                type: PostgresType(oid: 790, name: "money", formatted: "money"),
                samples: [Sample(.decimal("-1250", 2), "-12.50"), Sample(.integer(3), "3")]),
        ]
    }()

    private static let containerSubjects: [Subject] = {
        let tags: MadeValue = .list([.string("a,\"b\\"), .null, .truth(true), .decimal("150", 2), .double(2)])
        let record: MadeValue = .record([
            .init("n", .integer(1)), .init("q\"\n", .list([.double(1.5), .instant(0), .null, .list([])])),
            .init("r", .record([.init("b", .bytes([0, 1])), .init("d", .decimal("-5", 1))])), .init("e", .record([])),
            .init("x", .double(.nan)), .init("j", .json(#"{"k": [1, "v"]}"#)),
        ])
        let document =
            #"{"n":1,"q\"\n":[1.5,"1970-01-01T00:00:00Z",null,[]],"r":{"b":"AAE=","d":-0.5},"e":{},"x":"NaN","#
            + #""j":{"k": [1, "v"]}}"#
        return [
            Subject(
                type: .array(of: .int4, oid: 1007),
                samples: [
                    Sample(.list([]), "{}"), Sample(.list([.integer(1), .null, .double(3)]), "{1,NULL,3}"),
                    Sample(.list([.list([.integer(1)]), .list([.unsigned(2)])]), "{{1},{2}}"),
                    Sample(.list([.list([]), .list([])]), "{}"), Sample(.list([.integer(1 << 31)]), refused),
                    Sample(.list([.list([.integer(1)]), .integer(2)]), refused),
                    Sample(.list([.integer(2), .list([.integer(1)])]), refused),
                ]),
            Subject(
                type: .array(of: .numeric, oid: 1231),
                samples: [Sample(.list([.decimal("150", 2), .integer(-3)]), "{1.50,-3}")]),
            Subject(
                type: .array(of: .timestamptz, oid: 1185),
                samples: [Sample(.list([.instant(0), .null]), #"{"1970-01-01 00:00:00+00",NULL}"#)]),
            Subject(
                type: .array(of: .bytea, oid: 1001), samples: [Sample(.list([.bytes([0, 255])]), #"{"\\x00ff"}"#)]),
            Subject(
                type: .array(of: .text, oid: 1009), samples: [Sample(tags, #"{"a,\"b\\",NULL,true,1.50,2}"#)]),
            Subject(
                type: .array(of: .inet, oid: 1041), samples: [Sample(.list([.string("::1"), .null]), "{::1,NULL}")]),
            Subject(
                type: .array(of: .jsonb, oid: 3807),
                samples: [
                    Sample(
                        .list([.record([.init("a", .string("q\""))]), .list([.integer(1)]), .null]),
                        #"{"{\"a\": \"q\\\"\"}","[1]",NULL}"#)
                ]),
            Subject(type: .jsonb, samples: [Sample(record, document), Sample(.list([record]), "[\(document)]")]),
            Subject(type: .json, samples: [Sample(record, document)]),
        ]
    }()

    @Test(
        "a value of any kind is what PostgreSQL reads of the text that means the same",
        arguments: numberSubjects + timeSubjects + otherSubjects + containerSubjects)
    func kinds(subject: Subject) throws {
        try server.withSchema { schema in
            let connection = try schema.connect()
            try check(subject, connection)
        }
    }

    @Test("a composite type takes a record by the names of its attributes, and no attribute through text")
    func records() throws {
        try server.withSchema { schema in
            let connection = try schema.connect()
            try connection.execute("CREATE TYPE item AS (sku text, price numeric(6,2), at timestamptz, tags text[])")
            let oid = try connection.query("SELECT 'item'::regtype::oid").int(0, 0)
            let item = PostgresType(
                oid: UInt32(try #require(oid)), name: "item", formatted: "item",
                shape: .composite(attributes: [
                    .init(name: "sku", type: .text), .init(name: "price", type: .numeric(6, 2)),
                    .init(name: "at", type: .timestamptz), .init(name: "tags", type: .array(of: .text, oid: 1009)),
                ]))
            let made: MadeValue = .record([
                .init("price", .decimal("12345", 3)), .init("other", .uuid(0, 1)), .init("at", .instant(0)),
                .init("tags", .list([.string("x y"), .integer(2)])),
            ])
            let subject = Subject(
                type: item,
                samples: [
                    Sample(made, #"(,12.345,"1970-01-01 00:00:00+00","{""x y"",2}")"#), Sample(.record([]), "(,,,)"),
                    Sample(.record([.init("price", .double(1e6))]), "(,1000000,,)"),
                ])
            try check(subject, connection)
        }
    }

    // MARK: Any number

    @Test("a floating-point number has the fewest digits that are read as it, and a decimal loses none")
    func spelling() throws {
        try server.withSchema { schema in
            let connection = try schema.connect()
            try connection.execute(
                "CREATE TEMP TABLE n (d float8, dt text, dn numeric, f float4, ft text, u numeric, ut text, uf float8)")
            try Fuzzing.rounds(1, of: "numeric") { generator in
                let count = 2000
                try connection.execute("TRUNCATE n")
                var rows = CopyBuffer()
                BinaryCopy.appendHeader(to: &rows)
                for _ in 0..<count { try appendNumbers(&generator, to: &rows) }
                BinaryCopy.appendTrailer(to: &rows)
                let bytes = rows.bytes
                _ = try connection.copyIn("COPY n FROM STDIN (FORMAT binary)") { stream throws(PostgresError) in
                    try stream.send(bytes)
                }
                let difference = try connection.query(
                    """
                    SELECT d, dt, dn, f, ft, u, ut, uf FROM n
                    WHERE dt::float8 <> d OR length(dt) > length(d::text)
                        OR length(dt) = length(d::text) AND dt <> d::text OR dn::text <> dt::numeric::text
                        OR ft::float4 <> f OR length(ft) > length(f::text)
                        OR length(ft) = length(f::text) AND ft <> f::text
                        OR u::text <> ut::numeric::text OR uf <> ut::float8
                    LIMIT 1
                    """)
                guard difference.rowCount == 0 else {
                    let row = (0..<8).map { difference.string(0, $0) ?? "NULL" }
                    throw Fuzzing.Found(description: row.joined(separator: " "))
                }
                return count
            }
        }
    }

    private func appendNumbers(_ generator: inout SeededGenerator, to rows: inout CopyBuffer) throws {
        // Half of them are what people write, half any bits.
        let isShort = Bool.random(using: &generator)
        let places = Int.random(in: 0...9, using: &generator)
        let power = (0..<places).reduce(1.0) { power, _ in power * 10 }
        let short = Double(Int64.random(in: -999_999...999_999, using: &generator)) / power
        let any = Double(bitPattern: .random(in: 0 ... .max, using: &generator))
        let double: MadeValue = .double(isShort || !any.isFinite ? short : any)
        let other = Float(bitPattern: .random(in: 0 ... .max, using: &generator))
        let float: MadeValue = .float(isShort || !other.isFinite ? Float(short) : other)
        let length = Int.random(in: 0...(isShort ? 9 : 40), using: &generator)
        let unscaled = (0..<length).map { _ in UInt8.random(in: 0 ... .max, using: &generator) }
        let decimal: MadeValue = .unscaled(unscaled, .random(in: -20...60, using: &generator))
        rows.append(8 as Int16)
        for (type, made) in [
            (PostgresType.float8, double), (.text, double), (.numeric, double), (.float4, float), (.text, float),
            (.numeric, decimal), (.text, decimal), (.float8, decimal),
        ] {
            let encoder = try #require(BinaryEncoder(type, options: EncodingOptions()))
            let input = EncodingInput()
            try encoder.encode(made.value(in: input), into: &rows, containers: input)
        }
    }
}
