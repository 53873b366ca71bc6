import Postgres
import TestSupport
import Testing

/// What the encoders send against PostgreSQL's own reading of the same text: COPY on one side, the type's input
/// function on the other.
@Suite("Encoding agrees with PostgreSQL") struct EncodingAgreementTests {
    let server: PostgresServer

    init() throws { server = try PostgresServer.shared() }

    /// A value, mostly of JSON, and the text that means the same to PostgreSQL.
    struct Sample: Sendable, CustomStringConvertible {
        var made: MadeValue
        /// Nil for SQL's NULL.
        var literal: String?

        init(_ json: String, _ literal: String?) { self.init(.json(json), literal) }

        init(_ made: MadeValue, _ literal: String?) {
            self.made = made
            self.literal = literal
        }

        /// A string with the same text for both.
        init(string: String) {
            self.init("\"" + string.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\"", string)
        }

        /// A bare number or word.
        init(bare: String) { self.init(bare, bare) }

        var description: String { "\(made)" }

        /// An offset or a zone stands behind a time of day.
        var hasOffset: Bool {
            literal?.firstMatch(
                of: /(?i)(:\d+(\.\d+)?|t\d{4,6}(\.\d+)?) ?(z|utc|[a-z]{3,4}|[a-z]+\/[a-z_]+|[+-]\d+(:?\d+)*)( bc)?\s*$/)
                != nil
        }
    }

    struct Subject: Sendable, CustomStringConvertible {
        var type: PostgresType
        var options = EncodingOptions()
        var samples: [Sample]

        var description: String { type.formatted + (options.timeZone.map { " in \($0)" } ?? "") }
    }

    private static func strings(_ strings: String...) -> [Sample] { strings.map { Sample(string: $0) } }
    private static func bare(_ texts: String...) -> [Sample] { texts.map { Sample(bare: $0) } }

    static let subjects: [Subject] = [
        Subject(
            type: .bool,
            samples: strings(
                "t", "tr", "TRUE", " yes ", "y", "on", "1", "f", "fal", "No", "n", "of", "OFF", "0", "o", "", "tt", "2")
                + bare("true", "false")),
        Subject(
            type: .int2,
            samples: strings("32767", "-32768", "32768", "-32769", " 7\t", "+7", "007", "-0", "", "-", "1 2")
                + bare("-0", "32767") + [Sample("1.5e3", "1500"), Sample("70.00e-1", "7")]),
        Subject(
            type: .int4,
            samples: strings("2147483647", "-2147483648", "2147483648", "00000000000000000000000000000005")
                + bare("2147483647", "-2147483648") + [
                    Sample("5.0", "5"), Sample("1e2", "100"), Sample("0e99999", "0"),
                ]),
        Subject(
            type: .int8,
            samples: strings(
                "9223372036854775807", "-9223372036854775808", "9223372036854775808", "-9223372036854775809",
                "99999999999999999999999")
                + bare("9223372036854775807", "-9223372036854775808", "999999999999999999", "1000000000000000000")),
        Subject(type: .numeric, samples: numericSamples),
        Subject(type: .numeric(5, 2), samples: numericSamples + limitedSamples),
        Subject(type: .numeric(4, 0), samples: numericSamples + limitedSamples),
        Subject(type: .numeric(2, 4), samples: numericSamples + limitedSamples),
        Subject(type: .numeric(3, -2), samples: numericSamples + limitedSamples),
        Subject(type: .numeric(1000, 500), samples: numericSamples),
        Subject(type: .float8, samples: floatSamples),
        Subject(type: .float4, samples: floatSamples),
        Subject(
            type: .text,
            samples: strings("", "plain", "a\tb", #"back\slash \N \."#, "quote\"s", "ünïcode 漢字 😀", " spaces ")
                + bare("1.50", "-1e400", "true") + [Sample("null", nil), Sample(#""a\nb\r\u0001""#, "a\nb\r\u{1}")]),
        Subject(type: .varchar(3), samples: strings("", "abc", "äöü", "ab  ", "abc   ", "äöü   ", "ab") + bare("123")),
        Subject(type: .char(3), samples: strings("", "abc", "ä", "a  ", "abc   ")),
        Subject(
            type: .bytea, samples: strings("\\x", "\\xDEADbeef", "\\x de ad\t", "plain", "\\xd", "\\xzz", "\\xd ea")),
        Subject(
            type: .uuid,
            samples: strings(
                "00112233-4455-6677-8899-aabbccddeeff", "{00112233-4455-6677-8899-AABBCCDDEEFF}",
                "00112233445566778899aabbccddeeff", "0011-2233-4455-6677-8899-aabb-ccdd-eeff",
                "00112233-44556677-8899aabb-ccddeeff", "{0011223344556677-8899aabbccddeeff}", "",
                "{00112233445566778899aabbccddeeff", "00112233445566778899aabbccddeeff}",
                "00-112233445566778899aabbccddeeff", "-00112233445566778899aabbccddeeff",
                "00112233445566778899aabbccddeeff-", "0011--2233445566778899aabbccddeeff",
                "00112233445566778899aabbccddeefg", " 00112233445566778899aabbccddeeff")),
        // A moment is turned into the zone, which PostgreSQL does with a timestamptz only.
        Subject(type: .date, samples: timeSamples.filter { !$0.hasOffset }),
        Subject(
            type: .date, options: EncodingOptions(timeZone: "-05:00"),
            samples: [Sample(#""2017-09-15Z""#, "2017-09-15")]),
        Subject(type: .timestamp, samples: (timeSamples + spellings).filter { !$0.hasOffset }),
        Subject(type: .timestamptz, options: EncodingOptions(timeZone: "UTC"), samples: timeSamples + spellings),
        Subject(type: .timestamptz, options: EncodingOptions(timeZone: "+05:30"), samples: timeSamples + spellings),
        Subject(type: .timestamptz, options: EncodingOptions(timeZone: "Europe/Berlin"), samples: gapSamples),
        Subject(type: .timestamptz, options: EncodingOptions(timeZone: "America/St_Johns"), samples: gapSamples),
        Subject(type: .timestamptz, options: EncodingOptions(timeZone: "Australia/Lord_Howe"), samples: gapSamples),
        Subject(type: .timestamptz, options: EncodingOptions(timeZone: "Africa/Casablanca"), samples: gapSamples),
        Subject(
            type: .time,
            samples: strings(
                "00:00", "23:59:59.999999", "24:00:00", "23:59:60", "12:34:56.1234565", "12:34:56.9999999",
                "12:34:56Z", "24:00:01", "23:60", "12:00:61", "25:00")
                + [Sample("\"12:34:56+02\"", "10:34:56"), Sample("\"12:34:56.5-08:00\"", "20:34:56.5")]),
        Subject(
            type: .jsonb,
            samples: bare("true", "12.50", "-0", "1e3", #"{"b": 1, "a": [1, {"c": null}]}"#, "[]", #""s\n\"\\ \u00e9""#)
                + [Sample("null", nil), Sample(#""null""#, #""null""#)]),
        Subject(type: .json, samples: bare("false", "1.0", #"{"b" : 1,  "b":2}"#, #""tab\t""#, #""\u0000""#)),
        Subject(
            type: .array(of: .int4, oid: 1007),
            samples: [
                Sample("[]", "{}"), Sample("[1]", "{1}"), Sample("[1,null,3]", "{1,NULL,3}"),
                Sample("[[1,2],[3,4]]", "{{1,2},{3,4}}"), Sample("[[[1],[2]]]", "{{{1},{2}}}"), Sample("[[],[]]", "{}"),
                Sample("null", nil),
            ]),
        Subject(
            type: .array(of: .text, oid: 1009),
            samples: [
                Sample(
                    #"["", "NULL", null, "a,b", "q\"q", "b\\s", "{}", " x "]"#,
                    #"{"","NULL",NULL,"a,b","q\"q","b\\s","{}"," x "}"#),
                Sample(#"["tab\t", "new\nline"]"#, "{\"tab\t\",\"new\nline\"}"), Sample("[1.50, true]", "{1.50,true}"),
            ]),
        Subject(
            type: .array(of: .varchar(3), oid: 1015), samples: [Sample(#"["abc", "ab   "]"#, #"{abc,"ab "}"#)]),
        Subject(type: .array(of: .numeric, oid: 1231), samples: [Sample("[1.50, 1e3]", "{1.50,1000}")]),
        Subject(
            type: .array(of: .timestamptz, oid: 1185),
            samples: [Sample(#"["2026-01-01T00:00:00Z", null]"#, #"{"2026-01-01 00:00:00+00",NULL}"#)]),
        Subject(
            type: .array(of: .jsonb, oid: 3807),
            samples: [Sample(#"[{"a": "q\"\\"}, [1], null, "s"]"#, #"{"{\"a\": \"q\\\"\\\\\"}","[1]",NULL,"\"s\""}"#)]),
        Subject(
            type: .array(of: .uuid, oid: 2951),
            samples: [
                Sample(
                    #"["00112233-4455-6677-8899-aabbccddeeff"]"#, "{00112233-4455-6677-8899-aabbccddeeff}")
            ]),
        Subject(
            type: .array(of: .bytea, oid: 1001), samples: [Sample(#"["\\x00ff", "a"]"#, #"{"\\x00ff","\\x61"}"#)]),
        Subject(
            type: .array(of: .bool, oid: 1000),
            samples: [Sample(#"[true, "no", 1]"#, "{t,f,t}")] + strings("{t,NULL,0}", "{2}")),
        Subject(
            type: .array(of: .text, oid: 1009),
            samples: strings(
                "{a,b}", #"{"a,b","q\"q",x\,y,NULL,"NULL", sp ace }"#, "{}", "{{a},{b}}", "{a", "a", "{a,}", "{{a},b}")),
        Subject(type: .array(of: .numeric, oid: 1231), samples: strings("{1.50,NaN}", "{{1,2},{3}}", "{x}")),
        // Text COPY alone has these.
        Subject(type: .inet, samples: strings("10.0.0.1/8", "::1", "x")),
        Subject(type: .point, samples: strings("(1,2)")),
        Subject(
            type: PostgresType(oid: 790, name: "money", formatted: "money"),
            samples: strings("$1,000.50") + bare("12.5")),
        Subject(
            type: PostgresType(oid: 1186, name: "interval", formatted: "interval"),
            options: EncodingOptions(epochUnit: .microseconds),
            samples: strings("1 day 2 hours", "P1DT2H", "x") + [
                Sample("3600000000", "01:00:00"), Sample("-1", "-00:00:00.000001"), Sample("\"90000000\"", "00:01:30"),
            ]),
        Subject(
            type: PostgresType(oid: 829, name: "macaddr", formatted: "macaddr"), samples: strings("08:00:2b:01:02:03")),
        Subject(
            type: PostgresType(oid: 1562, name: "varbit", formatted: "bit varying"),
            samples: strings("101") + bare("101")),
        Subject(
            type: PostgresType(oid: 1560, name: "bit", formatted: "bit(1)"),
            samples: strings("1") + [Sample("true", "1"), Sample("false", "0")]),
        Subject(
            type: PostgresType(oid: 3904, name: "int4range", formatted: "int4range"), samples: strings("[1,5)", "empty")
        ),
        Subject(
            type: PostgresType(oid: 3614, name: "tsvector", formatted: "tsvector"),
            samples: strings(#"'a':1 'b\c'"#, "it's")),
        Subject(type: PostgresType(oid: 19, name: "name", formatted: "name"), samples: strings("a name")),
        Subject(type: PostgresType(oid: 1266, name: "timetz", formatted: "timetz"), samples: strings("12:00+02")),
        Subject(type: .array(of: .inet, oid: 1041), samples: [Sample(#"["::1", null]"#, "{::1,NULL}")]),
        Subject(
            type: .array(of: .box, oid: 1020),
            samples: [
                Sample(#"["(1,1),(0,0)", "(2,2),(0,0)"]"#, "{(1,1),(0,0);(2,2),(0,0)}"),
                Sample(#"[["(1,1),(0,0)"], ["(2,2),(0,0)"]]"#, "{{(1,1),(0,0)};{(2,2),(0,0)}}"),
            ]),
    ]

    private static let numericSamples =
        strings(
            "0", "-0", "0.00", "-0.000", "1", "-1", "00012", "1.50", "+2.5", ".5", "5.", "-.5", " 1 ", "9999", "10000",
            "99999999", "100000000", "0.0001", "0.00001", "1e-7", "1.5E+20", "12345.678e-3", "12345.678e3", "1e0",
            "NaN", "nan", "Infinity", "-inf", "+Infinity", "1e-16383", "1e-16384", "1e131071", "1e131072",
            "0e131073", "0e-16384", "123456789012345678901234567890.123456789012345678901234567890", "", ".", "e5",
            "1e", "1e+", "--1", "1.2.3", "abc", "+NaN", "1e-1000000", "0.00000000000000000000000000000000000001")
        + bare("0", "-0.0", "1E5", "12.50", "1e-5") + [Sample("null", nil)]

    private static let limitedSamples = strings(
        "999.99", "999.994", "999.995", "999.9949999999999999999", "-999.995", "1000", "0.005", "0.0049999",
        "0.00009999",
        "0.000099995", "0.0099", "0.00995", "0.01", "9999.4", "9999.5", "99949", "99950", "99900", "49", "50", "-50",
        "149",
        "150", "1e5", "1e-30000", "0.000049", "0.00005")

    private static let floatSamples =
        strings(
            "0", "-0", "1", "0.1", "-1.5", ".5", "-nan", "+NaN", "5.", "1e10", "NaN", "nan", "Infinity", "-infinity",
            "inf", "+inf",
            " 2 ",
            "3.4028235e38", "3.4028236e38", "1e39", "1.17549435e-38", "1e-45", "1e-46", "7e-46",
            "1.7976931348623157e308",
            "1.7976931348623159e308", "1e309", "2.2250738585072014e-308", "4.9e-324", "2.4e-324", "1e-400", "0e999",
            "9007199254740993", "16777217", "123456789012345678901234567890", "8.5899973e9", "0.30000000000000004", "",
            "1e", "x", "1.0f", "--1", "+-1")
        + bare("0.1", "-0", "1e22", "1e23", "123456.789e-3")

    private static let timeSamples =
        strings(
            "2026-02-03", "2026-02-03T04:05", "2026-02-03T04:05:06", "2026-02-03 04:05:06.7",
            "2026-02-03t04:05:06.123456z",
            "2026-02-03T04:05:06.1234564Z", "2026-02-03T04:05:06.1234565Z", "2026-02-03T04:05:06.1234575Z",
            "2026-02-03T04:05:06.0000005Z", "2026-02-03T04:05:06.0000015Z",
            "2026-02-03T04:05:06.99999949999999999999999",
            "2026-12-31T23:59:59.9999999Z", "2026-02-03T04:05:06.123456789012345678901234567890Z",
            "2026-02-03T04:05:06+02", "2026-02-03T04:05:06-0330", "2026-02-03T04:05:06+05:45",
            "2026-02-03T04:05:06+00:19:32",
            "2026-02-03T04:05:06+15:59", "2026-02-03T04:05:06-15:59:59", "2026-02-03 04:05:06 +0100",
            "2026-02-03 04:05:06 UTC", "2026-02-03T24:00:00Z", "2026-02-03T24:00:00", "2026-12-31T23:59:60Z",
            "2026-12-31T12:00:60.5Z", "2024-02-29", "2000-02-29", "0001-01-01", "0001-01-01 BC",
            "0044-03-15 12:00:00 BC",
            "0044-03-15 12:00:00+01 BC", "0005-02-29 BC", "4714-11-24 BC", "4714-11-24 00:00:00 BC", "4713-01-01 BC",
            "4714-11-23 BC", "294276-12-31 23:59:59.999999", "294276-12-31 23:59:59.999999Z", "294277-01-01",
            "294276-12-31 23:59:59.9999999", "12345-06-07 08:09:10", "9999-12-31T23:59:59Z", "infinity", "-Infinity",
            "  2026-02-03  ", "1969-12-31T23:59:59.999999Z", "1900-01-01T00:00:00Z", "2026-02-30", "2026-13-01",
            "0000-01-01",
            "2026-02-03T25:00", "2026-02-03T12:60", "2026-02-03T12:00:61", "2026-02-03T24:00:01",
            "2026-02-03T12:00:00+16",
            "5874897-12-31", "5874898-01-01", "1900-02-29", "4714-11-24 00:00:00+01 BC", "4714-11-24 00:00:00-01 BC")
        + [Sample("null", nil)]

    /// What `TimeSpelling` adds. All that stands here PostgreSQL reads, or refuses as the loader does.
    private static let spellings = strings(
        "20240131T120000Z", "20240131T120000", "20240131 120000", "20240131T1200Z", "20240131", "20240131T120000.123Z",
        "20240131T120000+0200", "20240131T120000.5+02", "20240131t120000z", "2024-01-31T120000Z", "20240131T12:00:00Z",
        "2024-1-31T9:05:00Z", "2024-1-1", "2024-01-31 9:5:3", "2024-1-1T1:2:3.4Z", "2024-01-31T12:00:00+2",
        "2024-01-31T12:00:00+2:30", "2024-01-31T12:00:00 +2", "2024-031", "2024-366", "2024-031T12:00:00Z",
        "2024-01-31 12:00:00 CET", "2024-07-31 12:00:00 CET", "2024-07-31T12:00:00CEST", "2024-01-31 12:00 est",
        "2024-01-31 12:00:00 Europe/Berlin", "2024-07-31 12:00:00Europe/Berlin", "2024-07-31 12:00 America/New_York",
        "2024-03-31 02:30 Europe/Berlin", "2024-10-27 02:30 Europe/Berlin", "2024-01-31 12:00 Mars/Olympus",
        "Wed, 31 Jan 2024 12:00:00 GMT", "31 Jan 2024 12:00:00 +0000", "1 Feb 2024 1:02:03 PST",
        "Wed, 31 Foo 2024 12:00",
        "20240230T120000Z", "2024-000", "2024-13-1", "2024-1-32",
        "20240131T123Z", "20240131T12Z", "2024-01-31T12Z", "2024-W05-3", "2024-01-31T12:00:00,123Z",
        "2024-01-31T12:00:00+02:00[Europe/Berlin]", "+010000-01-01T00:00:00Z", "0000-00-00 00:00:00",
        "2024-1-1 1:2:3 BC")

    /// Hours that a change of the offset skips or repeats, and those beside them.
    private static let gapSamples: [Sample] = {
        var samples: [Sample] = []
        for day in [
            "1970-01-01", "1980-04-06", "2011-11-06", "2017-03-26", "2023-03-19", "2023-04-23", "2026-03-08",
            "2026-03-29",
            "2026-04-05", "2026-10-04", "2026-10-25", "2026-11-01", "2085-03-25",
        ] {
            for minute in stride(from: 0, through: 4 * 60, by: 15) {
                let time = "0\(minute / 60):" + (minute % 60 == 0 ? "00" : "\(minute % 60)")
                samples.append(Sample(string: "\(day) \(time)"))
            }
            samples.append(Sample(string: "\(day) 12:00:00.5"))
        }
        return samples
            + strings("1850-01-01 00:00", "1916-05-01 00:30", "1945-06-01 12:00", "2026-07-01 12:00Z", "infinity")
    }()

    @Test("a value in either format is what PostgreSQL itself reads, or refused where it refuses", arguments: subjects)
    func agreement(subject: Subject) throws {
        try server.withSchema { schema in
            let connection = try schema.connect()
            try check(subject, connection)
        }
    }

    @Test("types made by the user are what PostgreSQL itself reads")
    func userTypes() throws {
        try server.withSchema { schema in
            let connection = try schema.connect()
            try connection.execute(
                """
                CREATE TYPE mood AS ENUM ('sad', 'ok', 'hap"py');
                CREATE TYPE item AS (sku text, count int, tags text[], mood mood, at timestamptz, data jsonb);
                CREATE TYPE parcel AS (label text, items item[], first item);
                CREATE DOMAIN short AS varchar(3);
                CREATE DOMAIN grade AS int CHECK (VALUE > 0);
                CREATE DOMAIN feeling AS mood;
                CREATE DOMAIN grades AS int[]
                """)
            func type(_ name: String, _ shape: PostgresType.Shape) throws -> PostgresType {
                let oid = try connection.query("SELECT $1::regtype::oid", [.text(name)]).int(0, 0)
                return PostgresType(oid: UInt32(try #require(oid)), name: name, formatted: name, shape: shape)
            }
            let mood = try type("mood", .enumeration(labels: ["sad", "ok", "hap\"py"]))
            let item = try type(
                "item",
                .composite(attributes: [
                    .init(name: "sku", type: .text), .init(name: "count", type: .int4),
                    .init(name: "tags", type: .array(of: .text, oid: 1009)), .init(name: "mood", type: mood),
                    .init(name: "at", type: .timestamptz), .init(name: "data", type: .jsonb),
                ]))
            let items = try type("item[]", .array(of: item))
            let parcel = try type(
                "parcel",
                .composite(attributes: [
                    .init(name: "label", type: .text), .init(name: "items", type: items),
                    .init(name: "first", type: item),
                ]))
            let short = try type("short", .domain(over: .varchar(3)))
            let subjects = [
                Subject(type: mood, samples: Self.strings("sad", "hap\"py", "ok")),
                Subject(type: try type("feeling", .domain(over: mood)), samples: Self.strings("ok")),
                Subject(type: short, samples: Self.strings("abc", "ab ", "äöü  ")),
                Subject(type: try type("grade", .domain(over: .int4)), samples: Self.bare("1", "2147483647")),
                Subject(
                    type: try type("grades", .domain(over: .array(of: .int4, oid: 1007))),
                    samples: [Sample("[[1],[2]]", "{{1},{2}}")]),
                Subject(
                    type: try type("mood[]", .array(of: mood)),
                    samples: [Sample(#"["sad", null, "hap\"py"]"#, #"{sad,NULL,"hap\"py"}"#)]),
                Subject(
                    type: try type("short[]", .array(of: short)),
                    samples: [Sample(#"["abc", null]"#, "{abc,NULL}"), Sample("[]", "{}")]),
                Subject(
                    type: item,
                    samples: [
                        Sample("{}", "(,,,,,)"), Sample(#"{"count": 5, "sku": ""}"#, #"("",5,,,,)"#),
                        Sample(
                            #"{"sku": "a\"b\\c,(d)\n", "tags": ["x y", "q\"", "\\", null], "mood": "hap\"py"}"#,
                            "(\"a\"\"b\\\\c,(d)\n\",,\"{\"\"x y\"\",\"\"q\\\\\"\"\"\",\"\"\\\\\\\\\"\",NULL}\",\"hap\"\"py\",,)"
                        ),
                        Sample(
                            #"{"at": "2026-01-01T01:00:00+01:00", "data": {"k": "v\"\\"}, "other": 1}"#,
                            #"(,,,,"2026-01-01 00:00:00+00","{""k"": ""v\\""\\\\""}")"#),
                        Sample(string: "(a,1,,,,)"),
                    ]),
                Subject(
                    type: parcel,
                    samples: [
                        Sample(
                            #"{"label": "L", "items": [{"sku": "s\"1"}, null, {"count": 2}], "first": {"tags": ["t"]}}"#,
                            #"(L,"{""(\\""s\\""\\""1\\"",,,,,)"",NULL,""(,2,,,,)""}","(,,{t},,,)")"#)
                    ]),
            ]
            for subject in subjects { try check(subject, connection) }
        }
    }

    // MARK: -

    /// Loads the samples by both formats and compares them with what the input function makes of their literals.
    func check(_ subject: Subject, _ connection: Connection) throws {
        let type = subject.type.formatted
        var subject = subject
        subject.options.numericHasInfinity = connection.serverVersion >= 140000
        guard subject.type.isKnown(to: connection) else { return }
        // A server that was built with rules of its own may have those of another year than this machine.
        if subject.options.timeZone?.contains("/") ?? false {
            let configured = try connection.query("SELECT setting FROM pg_config WHERE name = 'CONFIGURE'")
            guard configured.string(0, 0)?.contains("--with-system-tzdata") ?? false else { return }
        }
        try connection.execute(
            """
            SET TimeZone = 'UTC';
            DROP TABLE IF EXISTS loaded, expected;
            CREATE TEMP TABLE loaded (id int4, value \(type));
            CREATE TEMP TABLE expected (id int4, value \(type))
            """)
        let textEncoder = TextEncoder(subject.type, options: subject.options)
        let binaryEncoder = BinaryEncoder(subject.type, options: subject.options)
        let isBinary = binaryEncoder != nil
        var rows = CopyBuffer()
        var lines = CopyBuffer()
        BinaryCopy.appendHeader(to: &rows)
        var accepted = 0
        if let zone = subject.options.timeZone {
            // PostgreSQL's SET counts offsets as POSIX does, so its interval form it is.
            let isOffset = zone.hasPrefix("+") || zone.hasPrefix("-")
            try connection.execute(
                isOffset ? "SET TIME ZONE INTERVAL '\(zone)' HOUR TO MINUTE" : "SET TIME ZONE '\(zone)'")
        }
        for (id, sample) in subject.samples.enumerated() {
            let isExpected = try reads(sample, as: id, connection)
            let input = EncodingInput()
            let value = try sample.made.value(in: input)
            let field = try? textEncoder.field(value, input)
            let payload = try? binaryEncoder?.bytes(value, input)
            if isBinary { #expect((field != nil) == (payload != nil), "\(type) \(sample)") }
            // Text that only the server can judge is passed on, and refused by it.
            guard isBinary || isExpected else { continue }
            #expect((field != nil) == isExpected, "\(type) \(sample)")
            guard let field, isExpected else { continue }
            accepted += 1
            append(Array("\(id)\t\(field)\n".utf8), to: &lines)
            guard let payload else { continue }
            rows.append(2 as Int16)
            rows.append(4 as Int32)
            rows.append(Int32(id))
            append(payload, to: &rows)
        }
        BinaryCopy.appendTrailer(to: &rows)
        try connection.execute("SET TimeZone = 'UTC'")
        try #require(accepted > 0)
        func verify(_ data: borrowing CopyBuffer, _ copy: String) throws {
            try connection.execute("TRUNCATE loaded")
            let loaded = try send(data, copy, connection)
            #expect(loaded == accepted, "\(copy) of \(type)")
            let difference = try connection.query(
                """
                SELECT id, l.value::text, e.value::text FROM loaded l JOIN expected e USING (id)
                WHERE l.value::text IS DISTINCT FROM e.value::text ORDER BY id
                """)
            for row in 0..<difference.rowCount {
                let id = Int(try #require(difference.int(row, 0)))
                Issue.record(
                    """
                    \(copy) of \(type) from \(subject.samples[id]): \(difference.string(row, 1) ?? "NULL"), \
                    but PostgreSQL reads \(difference.string(row, 2) ?? "NULL")
                    """)
            }
        }
        try verify(lines, "COPY loaded FROM STDIN")
        if isBinary { try verify(rows, "COPY loaded FROM STDIN (FORMAT binary)") }
    }

    /// Whether PostgreSQL takes the sample's literal, which then is row `id` of `expected`. By COPY, because an input
    /// function that is told `numeric(5,2)` takes more than one that is not.
    private func reads(_ sample: Sample, as id: Int, _ connection: Connection) throws(PostgresError) -> Bool {
        var line = CopyBuffer()
        var field = sample.literal ?? "\\N"
        if sample.literal != nil {
            for (special, escape) in [("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")] {
                field = field.replacing(special, with: escape)
            }
        }
        append(Array("\(id)\t\(field)\n".utf8), to: &line)
        do throws(PostgresError) {
            return try send(line, "COPY expected FROM STDIN", connection) == 1
        } catch {
            // Class 22, data exception; anything else is the test's own mistake.
            if error.sqlState?.rawValue.hasPrefix("22") == true { return false }
            throw error
        }
    }

    private func append(_ bytes: [UInt8], to buffer: inout CopyBuffer) {
        bytes.withUnsafeBytes { buffer.append($0) }
    }

    private func send(
        _ data: borrowing CopyBuffer, _ copy: String, _ connection: Connection
    ) throws(PostgresError) -> Int {
        let bytes = data.bytes
        return try connection.copyIn(copy) { stream throws(PostgresError) in try stream.send(bytes) }
    }
}
