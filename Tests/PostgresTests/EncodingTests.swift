import Foundation
import Postgres
import Testing

/// Bytes known from the protocol's description, and the rules of what is refused; no server is asked.
@Suite("Encoding a value") struct EncodingTests {
    private let noContainers = EncodingInput()

    @Test("binary COPY begins with its signature and ends with a row of -1 columns")
    func frame() {
        var buffer = CopyBuffer()
        BinaryCopy.appendHeader(to: &buffer)
        BinaryCopy.appendTrailer(to: &buffer)
        let bytes = Array(buffer.bytes)
        let signature: [UInt8] = [0x50, 0x47, 0x43, 0x4F, 0x50, 0x59, 0x0A, 0xFF, 0x0D, 0x0A, 0x00]
        #expect(bytes == signature + [0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF])
    }

    @Test(
        "a value has the bytes that the protocol wants",
        arguments: [
            (PostgresType.bool, "true", [0, 0, 0, 1, 1]),
            (.int2, "-2", [0, 0, 0, 2, 0xFF, 0xFE]),
            (.int4, "2147483647", [0, 0, 0, 4, 0x7F, 0xFF, 0xFF, 0xFF]),
            (.int4, "5.0", [0, 0, 0, 4, 0, 0, 0, 5]),
            (.int4, "1e2", [0, 0, 0, 4, 0, 0, 0, 100]),
            (.int4, "12000e-3", [0, 0, 0, 4, 0, 0, 0, 12]),
            (.int4, "\" +7 \"", [0, 0, 0, 4, 0, 0, 0, 7]),
            (.int8, "-9223372036854775808", [0, 0, 0, 8, 0x80, 0, 0, 0, 0, 0, 0, 0]),
            (.float4, "1.5", [0, 0, 0, 4, 0x3F, 0xC0, 0, 0]),
            (.float8, "-0", [0, 0, 0, 8, 0x80, 0, 0, 0, 0, 0, 0, 0]),
            (.text, "\"é\"", [0, 0, 0, 2, 0xC3, 0xA9]),
            (.text, "1.50", [0, 0, 0, 4, 0x31, 0x2E, 0x35, 0x30]),
            (.text, "null", [0xFF, 0xFF, 0xFF, 0xFF]),
            (.date, "\"2000-01-02\"", [0, 0, 0, 4, 0, 0, 0, 1]),
            (.time, "\"00:00:01\"", [0, 0, 0, 8, 0, 0, 0, 0, 0, 0x0F, 0x42, 0x40]),
            (.timestamptz, "\"2000-01-01T00:00:00-00:00:01\"", [0, 0, 0, 8, 0, 0, 0, 0, 0, 0x0F, 0x42, 0x40]),
            (.timestamp, "\"infinity\"", [0, 0, 0, 8, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
            (.jsonb, "[1]", [0, 0, 0, 4, 1, 0x5B, 0x31, 0x5D]),
            (.json, "\"a\\n\"", [0, 0, 0, 5, 0x22, 0x61, 0x5C, 0x6E, 0x22]),
            (.bytea, "\"\\\\xDEad\"", [0, 0, 0, 2, 0xDE, 0xAD]),
            (.bytea, "\"ab\"", [0, 0, 0, 2, 0x61, 0x62]),
            (.mood, "\"ok\"", [0, 0, 0, 2, 0x6F, 0x6B]),
            (.domain(over: .domain(over: .int2)), "1", [0, 0, 0, 2, 0, 1]),
            (.numeric, "0", [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0]),
            (.numeric, "-12345.678", [0, 0, 0, 14, 0, 3, 0, 1, 0x40, 0, 0, 3, 0, 1, 0x09, 0x29, 0x1A, 0x7C]),
            (.numeric, "1e-7", [0, 0, 0, 10, 0, 1, 0xFF, 0xFE, 0, 0, 0, 7, 0, 10]),
            (.numeric, "1.5E+20", [0, 0, 0, 12, 0, 2, 0, 5, 0, 0, 0, 0, 0, 1, 0x13, 0x88]),
            (.numeric, "\"NaN\"", [0, 0, 0, 8, 0, 0, 0, 0, 0xC0, 0, 0, 0]),
        ] as [(PostgresType, String, [UInt8])])
    func bytes(type: PostgresType, json: String, expected: [UInt8]) throws {
        let encoded = try binary(type, json)
        #expect(encoded == expected)
    }

    @Test("citext is known by its name and has text's bytes")
    func citext() throws {
        let citext = PostgresType(oid: 54321, name: "citext", formatted: "citext")
        #expect(try binary(citext, "\"Ab\"") == binary(.text, "\"Ab\""))
    }

    @Test(
        "a UUID is read in all of PostgreSQL's spellings",
        arguments: [
            "00112233-4455-6677-8899-aabbccddeeff", "{00112233-4455-6677-8899-AABBCCDDEEFF}",
            "00112233445566778899aabbccddeeff", "0011-2233-4455-6677-8899-aabb-ccdd-eeff",
        ])
    func uuid(spelling: String) throws {
        let encoded = try binary(.uuid, "\"\(spelling)\"")
        let expected: [UInt8] = [0, 0, 0, 16] + (0..<16).map { UInt8($0 * 0x11) }
        #expect(encoded == expected)
    }

    @Test("an array has its dimensions, its element's type and its nulls told before the elements")
    func arrayBytes() throws {
        let encoded = try binary(.array(of: .int2), "[[1, null], [3, 4]]")
        let head: [UInt8] = [0, 0, 0, 50, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 21]
        let dimensions: [UInt8] = [0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1]
        let elements: [UInt8] = [0, 0, 0, 2, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 2, 0, 3, 0, 0, 0, 2, 0, 4]
        #expect(encoded == head + dimensions + elements)
        let empty: [UInt8] = [0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 21]
        #expect(try binary(.array(of: .int2), "[]") == empty)
        #expect(try binary(.array(of: .int2), "[[], []]") == empty)
    }

    @Test(
        "a value of the wrong kind is refused in both formats",
        arguments: [
            (PostgresType.bool, "[]"), (.bool, "0.5"), (.int4, "true"), (.int4, "1.5"), (.int4, "[1]"),
            (.numeric, "false"),
            (.float8, "{}"), (.text, "{}"), (.text, "[1]"), (.uuid, "1"), (.bytea, "1"), (.bytea, "true"),
            (.mood, "1"), (.inet, "{}"), (.inet, "[1]"), (.interval, "true"), (.hstore, "1"), (.hstore, "[1]"),
            (.array(of: .int4), "1"), (.array(of: .int4), "{}"), (.array(of: .text), "[{}]"),
        ])
    func wrongType(type: PostgresType, json: String) {
        #expect(refusal(type, json) == .wrongType)
    }

    @Test(
        "a value beyond its column's type is refused in both formats",
        arguments: [
            (PostgresType.int2, "32768"), (.int4, "-2147483649"), (.int8, "9223372036854775808"), (.int8, "1e19"),
            (.int8, "1e999999999999999999999"), (.int4, "\"2147483648\""), (.float4, "1e39"), (.float4, "1e-46"),
            (.float8, "1e309"), (.float8, "-1e400"), (.float8, "1e-400"), (.numeric, "1e131072"),
            (.numeric, "1e-16384"), (.numeric(5, 2), "1000"), (.numeric(5, 2), "999.995"), (.numeric(2, 4), "0.01"),
            (.numeric(2, -3), "99500"), (.numeric(5, 2), "\"Infinity\""), (.numeric, "1e99999999999999999999"),
            (.timestamp, "\"294277-01-01T00:00:00\""), (.timestamptz, "\"0000-01-01T00:00:00Z\""),
            (.timestamp, "\"9999999-01-01T00:00:00\""), (.timestamp, "\"4714-11-23T00:00:00 BC\""),
            (.date, "\"5874898-01-01\""), (.timestamptz, "\"294276-12-31T23:59:59-01\""),
        ])
    func outOfRange(type: PostgresType, json: String) {
        #expect(refusal(type, json) == .outOfRange)
    }

    @Test(
        "text that is none of the type's forms is refused in both formats",
        arguments: [
            (PostgresType.int4, "\"\""), (.int4, "\"abc\""), (.int4, "\"5.0\""), (.int4, "\"1e2\""), (.int4, "\"5.\""),
            (.int4, "\"- 5\""), (.int4, "\"0x10\""), (.int4, "\"1_000\""), (.numeric, "\"1.2.3\""), (.numeric, "\".\""),
            (.numeric, "\"1e\""), (.numeric, "\"+NaN\""), (.float8, "\"1.0f\""), (.float8, "\"\""), (.bool, "\"o\""),
            (.bool, "\"\""), (.bool, "\"2\""), (.bool, "\"truee\""), (.uuid, "\"00112233\""),
            (.uuid, "\"00112233-4455-6677-8899-aabbccddeef\""), (.uuid, "\"{00112233445566778899aabbccddeeff\""),
            (.uuid, "\"001-12233445566778899aabbccddeeff\""), (.uuid, "\"00112233445566778899aabbccddeeff-\""),
            (.bytea, "\"\\\\x1\""), (.bytea, "\"\\\\xgg\""), (.date, "\"2026-13-01\""),
            (.date, "\"2026-02-29\""), (.date, "\"1900-02-29\""), (.date, "\"26-01-01\""), (.date, "\"now\""),
            (.date, "\"Feb 3 2026\""), (.timestamp, "\"2026-01-01T\""), (.timestamp, "\"2026-01-01T25:00\""),
            (.timestamp, "\"2026-01-01T24:00:01\""), (.timestamp, "\"2026-01-01T12:60\""),
            (.timestamp, "\"2026-01-01T12:00:61\""), (.timestamp, "\"2026-01-01T12:00:00.\""),
            (.timestamp, "\"2026-01-01T12:00:00x\""), (.timestamp, "\"epoch\""),
            (.timestamptz, "\"2026-01-01T12:00:00+16\""), (.timestamptz, "\"2026-01-01T12:00:00+123\""),
            (.timestamptz, "\"2026-01-01T12:00:00Zz\""), (.time, "\"12\""), (.time, "\"24:00:00.5\""),
            (.array(of: .int4), "[[1, 2], [3]]"), (.array(of: .int4), "[[1], 2]"), (.array(of: .int4), "[1, [2]]"),
            (.array(of: .int4), "[[], [1]]"), (.array(of: .int4), "[null, [1]]"), (.array(of: .int4), "[[1], null]"),
            (.array(of: .int4), "[[[[[[[1]]]]]]]"),
        ])
    func badSyntax(type: PostgresType, json: String) {
        #expect(refusal(type, json) == .badSyntax)
    }

    @Test("more characters than the column holds are refused, unless they are spaces")
    func characterLimits() throws {
        #expect(refusal(.varchar(3), "\"abcd\"") == .tooLong)
        #expect(refusal(.char(3), "\"äöüß\"") == .tooLong)
        #expect(refusal(.varchar(3), "12345") == .tooLong)
        #expect(refusal(.array(of: .varchar(3)), "[\"a\", \"abcd\"]") == .tooLong)
        #expect(refusal(.domain(over: .varchar(1)), "\"ab\"") == .tooLong)
        #expect(try text(.varchar(3), "\"äöü  \"") == "äöü")
        #expect(try text(.varchar(3), "\"ä    \"") == "ä  ")
        #expect(try binary(.varchar(3), "\"abc   \"") == [0, 0, 0, 3, 0x61, 0x62, 0x63])
    }

    @Test("U+0000 is refused, stripped or replaced, in text and in jsonb at any depth, and json keeps it")
    func nul() throws {
        let nested = #"{"a\u0000b":["\\u0000","\u0000"]}"#
        #expect(refusal(.text, #""a\u0000b""#) == .nul)
        #expect(refusal(.inet, #""a\u0000b""#) == .nul)
        #expect(refusal(.jsonb, #""a\u0000b""#) == .nul)
        #expect(refusal(.jsonb, nested) == .nul)
        let strip = EncodingOptions(onNul: .strip)
        let replace = EncodingOptions(onNul: .replace)
        #expect(try text(.text, #""\u0000a\u0000\u0000b\u0000""#, strip) == "ab")
        #expect(try text(.text, #""\u0000a\u0000b""#, replace) == "\u{FFFD}a\u{FFFD}b")
        #expect(try binary(.jsonb, nested, strip).dropFirst(5).elementsEqual(#"{"ab":["\\u0000",""]}"#.utf8))
        #expect(
            try binary(.jsonb, nested, replace).dropFirst(5)
                .elementsEqual(#"{"a\ufffdb":["\\u0000","\ufffd"]}"#.utf8))
        #expect(try binary(.json, nested).dropFirst(4).elementsEqual(nested.utf8))
        #expect(try binary(.json, #""a\u0000""#).dropFirst(4).elementsEqual(#""a\u0000""#.utf8))
        #expect(try binary(.jsonb, #"["\\\\u0000"]"#).dropFirst(5).elementsEqual(#"["\\\\u0000"]"#.utf8))
    }

    @Test(
        "raw bytes must be UTF-8 for a text type, and are taken as they are by bytea",
        arguments: [
            [0xFF], [0xC0, 0x80], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xC3],
            Array("12345678901234567".utf8) + [0x80], [0xE2, 0x82], [0xF0, 0x9F, 0x98],
        ] as [[UInt8]])
    func invalidUTF8(bytes: [UInt8]) throws {
        let raw = EncodingOptions(isRaw: true)
        let input = EncodingInput()
        for type in [PostgresType.text, .json, .jsonb, .inet] {
            #expect(throws: EncodingFailure(.invalidUTF8, found: .string)) {
                try TextEncoder(type, options: raw).field(input.string(bytes), input)
            }
        }
        let encoder = try #require(BinaryEncoder(.bytea, options: raw))
        #expect(try encoder.bytes(input.string(bytes), input).dropFirst(4).elementsEqual(bytes))
    }

    @Test("nothing behind a value's bytes is read, not even of an empty one")
    func endOfMemory() throws {
        let page = Int(getpagesize())
        let memory = try #require(
            mmap(nil, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
        defer { munmap(memory, 2 * page) }
        // Whoever reads on is ended by the system.
        try #require(mprotect(memory + page, page, PROT_NONE) == 0)
        let types: [PostgresType] = [
            .bool, .bytea, .int2, .int4, .int8, .text, .varchar(3), .char(3), .json, .jsonb, .float4, .float8, .numeric,
            .numeric(5, 2), .date, .time, .timestamp, .timestamptz, .uuid, .mood,
        ]
        let texts = [
            "", " ", "  ", "-", "+ ", ".", "1", "1e", "1e-", "-inf", "nan", "t", "o", "\\", "\\x", "\\xa", "{", "{0",
            "2026",
            "2026-01-01", "2026-01-01T00:00", "2026-01-01T00:00:00.", "2026-01-01T00:00:00+0", "2026-01-01T00:00:00 u",
            "é",
        ]
        for (type, text) in types.flatMap({ type in texts.map { (type, $0) } }) {
            let bytes = UnsafeMutableRawBufferPointer(
                start: memory + page - text.utf8.count, count: text.utf8.count)
            bytes.copyBytes(from: text.utf8)
            for options in [EncodingOptions(epochUnit: .seconds), EncodingOptions(isRaw: true)] {
                for kind in [InputValue.Kind.string, .number] {
                    let value = InputValue(kind, UnsafeRawBufferPointer(bytes))
                    let inBinary = try? #require(BinaryEncoder(type, options: options)).bytes(value, noContainers)
                    let inText = try? TextEncoder(type, options: options).field(value, noContainers)
                    #expect((inBinary == nil) == (inText == nil), "\(type.formatted) from \(text)")
                }
            }
        }
    }

    @Test("raw bytes are UTF-8 exactly where Swift's own strings say so")
    func everyUTF8() throws {
        let encoder = try #require(BinaryEncoder(.text, options: EncodingOptions(isRaw: true)))
        let bounds: [UInt8] = [
            0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF,
            0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF,
        ]
        var buffer = CopyBuffer()
        var disagreements: [[UInt8]] = []
        for lead in [[], [0xF0], [0xF1], [0xF4], [0xF5]] as [[UInt8]] {
            for first in bounds {
                for second in bounds {
                    for third in bounds {
                        let bytes = lead + [first, second, third]
                        let isAccepted = bytes.withUnsafeBytes { bytes in
                            let value = InputValue(.string, bytes)
                            return (try? encoder.encode(value, into: &buffer, containers: noContainers)) != nil
                        }
                        if isAccepted != (String(validating: bytes, as: UTF8.self) != nil) {
                            disagreements.append(bytes)
                        }
                        buffer.removeAll()
                    }
                }
            }
        }
        #expect(disagreements.isEmpty)
    }

    @Test("raw bytes that look like hexadecimal stay what they are, and valid UTF-8 passes")
    func rawBytes() throws {
        let raw = EncodingOptions(isRaw: true)
        let input = EncodingInput()
        let escape = Array("\\x00".utf8)
        let encoder = try #require(BinaryEncoder(.bytea, options: raw))
        #expect(try encoder.bytes(input.string(escape), input) == [0, 0, 0, 4] + escape)
        let word = "naïve – 漢字 😀 and plenty of plain text behind it"
        #expect(try TextEncoder(.text, options: raw).field(input.string(Array(word.utf8)), input) == word)
    }

    @Test("JSON in a json column is the value itself, a string quoted anew")
    func json() throws {
        for value in ["true", "12.50", "{\"a\": [1,2]}", #""q\"\\\n\r\t\b\f\u001b\u0001é""#] {
            #expect(try binary(.json, value).dropFirst(4).elementsEqual(value.utf8))
            #expect(try binary(.jsonb, value).dropFirst(5).elementsEqual(value.utf8))
        }
        #expect(try binary(.jsonb, "null") == [0xFF, 0xFF, 0xFF, 0xFF])
    }

    @Test("a number is a time where the unit is told, cut off below a microsecond towards the past")
    func epochs() throws {
        func time(_ json: String, _ unit: EpochUnit, _ type: PostgresType = .timestamptz) throws -> String {
            try text(type, json, EncodingOptions(epochUnit: unit))
        }
        #expect(try time("1700000000.123456", .seconds) == "2023-11-14 22:13:20.123456+00")
        #expect(try time("1.7e9", .seconds) == "2023-11-14 22:13:20+00")
        #expect(try time("1700000000123", .milliseconds) == "2023-11-14 22:13:20.123+00")
        #expect(try time("1700000000123.4", .milliseconds) == "2023-11-14 22:13:20.1234+00")
        #expect(try time("1700000000123456", .microseconds) == "2023-11-14 22:13:20.123456+00")
        #expect(try time("1700000000123456999", .nanoseconds) == "2023-11-14 22:13:20.123456+00")
        #expect(try time("-1", .nanoseconds) == "1969-12-31 23:59:59.999999+00")
        #expect(try time("-0.0000001", .seconds) == "1969-12-31 23:59:59.999999+00")
        #expect(try time("-1", .seconds, .date) == "1969-12-31")
        #expect(try time("0", .milliseconds, .timestamp) == "1970-01-01 00:00:00")
        #expect(refusal(.timestamptz, "1e30", EncodingOptions(epochUnit: .seconds)) == .outOfRange)
        #expect(refusal(.date, "9224318016000", EncodingOptions(epochUnit: .seconds)) == .outOfRange)
    }

    @Test(
        "a bare number for a date, a time or an interval says nothing without a unit, also in an array",
        arguments: [
            (PostgresType.date, "20260101"), (.timestamptz, "1700000000"), (.timestamp, "1"), (.time, "5"),
            (.timetz, "123456"), (.interval, "3600000000"), (.array(of: .interval), "[5]"), (.array(of: .date), "[1]"),
            (.interval, "\"3600000000\""), (.interval, "\" -1.5 \""), (.timetz, "\"123456\""),
        ])
    func missingUnit(type: PostgresType, json: String) {
        #expect(refusal(type, json) == .missingUnit)
    }

    @Test("with a unit numbers, and strings that are numbers, are days, times of day and intervals")
    func units() throws {
        func shown(_ type: PostgresType, _ json: String, _ unit: EpochUnit) throws -> String {
            let string = json.hasPrefix("[") ? json : "\"\(json)\""
            let fromString = try text(type, string, EncodingOptions(epochUnit: unit))
            #expect(try text(type, json, EncodingOptions(epochUnit: unit)) == fromString)
            return fromString
        }
        #expect(try shown(.date, "19753", .days) == "2024-01-31")
        #expect(try shown(.date, "-1", .days) == "1969-12-31")
        #expect(try shown(.timestamp, "19753", .days) == "2024-01-31 00:00:00")
        #expect(try shown(.timestamptz, "1706702400123", .milliseconds) == "2024-01-31 12:00:00.123+00")
        #expect(try shown(.time, "43200000", .milliseconds) == "12:00:00")
        #expect(try shown(.time, "86400", .seconds) == "24:00:00")
        #expect(try shown(.timetz, "43200000001", .microseconds) == "12:00:00.000001+00")
        #expect(try shown(.interval, "3600000000", .microseconds) == "1:00:00")
        #expect(try shown(.interval, "-5400.5", .seconds) == "-1:30:00.5")
        #expect(try shown(.interval, "40", .days) == "40 days")
        #expect(try text(.array(of: .interval), "[90]", EncodingOptions(epochUnit: .seconds)) == #"{"0:01:30"}"#)
        #expect(try text(.interval, #""PT1H""#, EncodingOptions(epochUnit: .seconds)) == "PT1H")
        for (type, json, unit) in [
            (PostgresType.time, "86401", EpochUnit.seconds), (.time, "-1", .nanoseconds), (.timetz, "86401", .seconds),
            (.interval, "1e19", .microseconds), (.interval, "1e10", .days), (.date, "2145042906", .days),
            (.date, "9223372036854775807", .days), (.timestamp, "107000000000", .days), (.bool, "2", .seconds),
        ] {
            #expect(refusal(type, json, EncodingOptions(epochUnit: unit)) == .outOfRange, "\(type.formatted) \(json)")
        }
        #expect(refusal(.date, "1.5", EncodingOptions(epochUnit: .days)) == .wrongType)
    }

    @Test("0 and 1 are truth values, as numbers and as strings")
    func truthByNumber() throws {
        for (json, word) in [("1", "t"), ("0", "f"), ("1.0", "t"), ("\"1\"", "t"), ("\"0\"", "f"), ("-0", "f")] {
            #expect(try text(.bool, json) == word)
            #expect(try binary(.bool, json).last == (word == "t" ? 1 : 0))
        }
        #expect(refusal(.bool, "2") == .outOfRange)
        #expect(refusal(.array(of: .bool), "[-1]") == .outOfRange)
    }

    @Test("one moment is one value in a type without a zone, however it is written, in the zone of the route")
    func oneMoment() throws {
        for (zone, time, day) in [
            (nil, "2024-01-30 22:30:00", "2024-01-30"), ("UTC", "2024-01-30 22:30:00", "2024-01-30"),
            ("Europe/Berlin", "2024-01-30 23:30:00", "2024-01-30"), ("+05:30", "2024-01-31 04:00:00", "2024-01-31"),
        ] as [(String?, String, String)] {
            let options = EncodingOptions(epochUnit: .seconds, timeZone: zone)
            for json in [
                #""2024-01-31T00:30:00+02:00""#, #""2024-01-30T22:30:00Z""#, #""20240130T223000Z""#,
                #""2024-01-30 14:30 America/Los_Angeles""#, "1706653800",
            ] {
                #expect(try text(.timestamp, json, options) == time)
                #expect(try text(.date, json, options) == day)
                #expect(try binary(.timestamp, json, options) == binary(.timestamp, "\"\(time)\"", options))
                #expect(try binary(.date, json, options) == binary(.date, "\"\(day)\"", options))
                #expect(try text(.array(of: .timestamp), "[\(json)]", options) == "{\"\(time)\"}")
            }
            // Without an offset it is no moment, but what a clock showed.
            #expect(try text(.timestamp, #""2024-01-31T00:30:00""#, options) == "2024-01-31 00:30:00")
        }
        #expect(try text(.time, #""12:00+02:00""#) == "10:00:00")
        #expect(try text(.time, #""00:30+02:00""#) == "22:30:00")
        #expect(try text(.time, #""12:00Z""#, EncodingOptions(timeZone: "Asia/Kolkata")) == "17:30:00")
        #expect(try text(.time, #""12:00""#, EncodingOptions(timeZone: "Europe/Berlin")) == "12:00:00")
        #expect(refusal(.time, #""12:00Z""#, EncodingOptions(timeZone: "Europe/Berlin")) == .movingZone)
    }

    @Test("strings are decoded where the options say so, and what is not of that form is refused")
    func decoding() throws {
        func options(_ decoding: Decoding) -> EncodingOptions { EncodingOptions(decoding: decoding) }
        let bytes = [0, 0, 0, 4, 0x00, 0xFF, 0x01, 0x02] as [UInt8]
        for (json, decoding) in [
            (#""AP8BAg==""#, Decoding.base64), (#""AP8BAg""#, .base64), (#""AP8B\nAg==""#, .base64),
            (#""AP8BAg""#, .base64url), (#""00ff0102""#, .hex), (#""\\x00FF0102""#, .hex), (#""0x00ff0102""#, .hex),
        ] {
            #expect(try binary(.bytea, json, options(decoding)) == bytes, "\(json)")
            #expect(try text(.bytea, json, options(decoding)) == #"\\x00ff0102"#)
            #expect(try text(.array(of: .bytea), "[\(json)]", options(decoding)) == #"{"\\\\x00ff0102"}"#)
        }
        #expect(try binary(.bytea, #""-_8=""#, options(.base64url)) == [0, 0, 0, 2, 0xFB, 0xFF])
        #expect(try binary(.bytea, #""XHgw""#, options(.base64)).dropFirst(4).elementsEqual(Array("\\x0".utf8)))
        #expect(try text(.text, #""bmHDr3Zl""#, options(.base64)) == "naïve")
        #expect(refusal(.text, #""/w==""#, options(.base64)) == .invalidUTF8)
        #expect(try text(.jsonb, #""eyJhIjoxfQ==""#, options(.base64)) == #"{"a":1}"#)
        for json in [#""A""#, #""AP8BA===""#, #""AP=8""#, #""AP-_""#, #""é""#] {
            #expect(refusal(.bytea, json, options(.base64)) == .undecodable, "\(json)")
        }
        #expect(refusal(.bytea, #""0g""#, options(.hex)) == .undecodable)
        #expect(refusal(.bytea, #""123""#, options(.hex)) == .undecodable)
        #expect(refusal(.bytea, "12", options(.hex)) == .wrongType)
        let document = #""{\"name\": \"Peng\"}""#
        #expect(try binary(.jsonb, document, options(.json)) == binary(.jsonb, #"{"name": "Peng"}"#))
        #expect(try text(.json, document, options(.json)) == #"{"name": "Peng"}"#)
        #expect(try text(.jsonb, #"{"name": 1}"#, options(.json)) == #"{"name": 1}"#)
        #expect(try text(.jsonb, #""null""#, options(.json)) == #"\N"#)
        #expect(try binary(.jsonb, #""null""#, options(.json)) == [0xFF, 0xFF, 0xFF, 0xFF])
        #expect(
            refusal(.jsonb, #""{""#, options(.json)) == .badSyntax
                || refusal(.jsonb, #""x""#, options(.json)) == .noDocument)
        #expect(try text(.array(of: .int4), #""[1, 2]""#, options(.json)) == #"{"1","2"}"#)
        #expect(try binary(.array(of: .int4), #""[1, 2]""#, options(.json)) == binary(.array(of: .int4), "[1, 2]"))
        #expect(try text(.array(of: .jsonb), #"["{\"a\":1}", "null"]"#, options(.json)) == #"{"{\\"a\\":1}",NULL}"#)
    }

    @Test("an array's literal is read alike in both formats")
    func arrayLiterals() throws {
        for (literal, json) in [
            ("{}", "[]"), ("{1,2}", "[1,2]"), (" { 1 , NULL , null } ", "[1,null,null]"),
            ("{{1,2},{3,4}}", "[[1,2],[3,4]]"),
            ("{{},{}}", "[]"), ("{\\\"1\\\"}", "[1]"),
        ] {
            #expect(try binary(.array(of: .int4), "\"\(literal)\"") == binary(.array(of: .int4), json), "\(literal)")
            #expect(try text(.array(of: .int4), "\"\(literal)\"") == text(.array(of: .int4), json), "\(literal)")
        }
        let texts = #""{a, \"b,}\\\"\" ,c\\\\d , \"NULL\", x y }""#
        let same = #"["a", "b,}\"", "c\\d", "NULL", "x y"]"#
        #expect(try binary(.array(of: .text), texts) == binary(.array(of: .text), same))
        #expect(try text(.array(of: .text), texts) == text(.array(of: .text), same))
        for literal in [
            "a", "{", "{1", "{1,}", "{,1}", "{1}x", "{{1},{2,3}}", "{{1},2}", "{1,{2}}", "{{1},{}}", "{1 2}", "{}{}",
            "{\\\"1\\\"2}", "[0:0]={1}", "{{{{{{{1}}}}}}}", "{x}",
        ] {
            #expect(refusal(.array(of: .int4), "\"\(literal)\"") == .badSyntax, "\(literal)")
        }
    }

    @Test(
        "an extension's type takes arrays and objects as their text, hstore as names and values, the server's own do not"
    )
    func jsonText() throws {
        let vector = PostgresType(oid: 70000, name: "vector", formatted: "vector(3)")
        #expect(try text(vector, "[0.1, 0.2, 0.3]") == "[0.1, 0.2, 0.3]")
        #expect(try text(vector, #""[1,2,3]""#) == "[1,2,3]")
        #expect(try text(.array(of: vector), "[[1, 2], [3, 4]]") == #"{"[1, 2]","[3, 4]"}"#)
        let geometry = PostgresType(oid: 70001, name: "geometry", formatted: "geometry")
        #expect(try text(geometry, #"{"type":"Point"}"#) == #"{"type":"Point"}"#)
        #expect(
            try text(.hstore, #"{"k": "v\"\\", "n": 1.50, "t": true, "z": null, "o": {"a": [1]}}"#)
                == #""k"=>"v\\"\\\\","n"=>"1.50","t"=>"true","z"=>NULL,"o"=>"{\\"a\\": [1]}""#)
        #expect(try text(.hstore, "{}") == "")
        #expect(try text(.hstore, #""a=>1""#) == "a=>1")
        let range = PostgresType(oid: 3904, name: "int4range", formatted: "int4range")
        #expect(refusal(range, "[1, 5]") == .wrongType)
    }

    @Test("what the server would cut off without a word is too long")
    func silentCuts() throws {
        let name = PostgresType(oid: 19, name: "name", formatted: "name")
        let char = PostgresType(oid: 18, name: "char", formatted: "\"char\"")
        #expect(try text(name, "\"\(String(repeating: "x", count: 63))\"").count == 63)
        #expect(refusal(name, "\"\(String(repeating: "x", count: 64))\"") == .tooLong)
        #expect(try text(char, "\"a\"") == "a")
        #expect(refusal(char, "\"abc\"") == .tooLong)
    }

    @Test("a timestamp without an offset needs the route's zone")
    func zones() throws {
        #expect(refusal(.timestamptz, "\"2026-07-01T12:00:00\"") == .missingZone)
        #expect(refusal(.timestamptz, "\"2026-07-01\"") == .missingZone)
        for (zone, expected) in [
            ("UTC", "2026-07-01 12:00:00+00"), ("+05:30", "2026-07-01 06:30:00+00"),
            ("Europe/Berlin", "2026-07-01 10:00:00+00"), ("America/New_York", "2026-07-01 16:00:00+00"),
        ] {
            let options = EncodingOptions(timeZone: zone)
            #expect(try text(.timestamptz, "\"2026-07-01T12:00:00\"", options) == expected)
            #expect(try text(.timestamptz, "\"2026-07-01T12:00:00Z\"", options) == "2026-07-01 12:00:00+00")
        }
        #expect(EncodingOptions.isKnownTimeZone("Europe/Berlin"))
        #expect(EncodingOptions.isKnownTimeZone("-08"))
        #expect(!EncodingOptions.isKnownTimeZone("Europe/Atlantis"))
        #expect(!EncodingOptions.isKnownTimeZone(""))
    }

    @Test("text COPY escapes what separates fields and rows")
    func copyEscapes() throws {
        #expect(try text(.text, #""a\tb\nc\\d\re""#) == #"a\tb\nc\\d\re"#)
        #expect(try text(.text, "null") == #"\N"#)
        #expect(try text(.text, #""\\N""#) == #"\\N"#)
        #expect(try text(.bytea, "\"a\\n\"") == #"\\x610a"#)
        #expect(try text(.jsonb, #"{"a":"x\ny"}"#) == #"{"a":"x\\ny"}"#)
    }

    @Test("arrays and objects become the literals of arrays and composite types, one within the other")
    func literals() throws {
        let item = PostgresType(
            oid: 90300, name: "item", formatted: "item",
            shape: .composite(attributes: [
                .init(name: "sku", type: .text), .init(name: "tags", type: .array(of: .text)),
                .init(name: "at", type: .inet),
            ]))
        #expect(BinaryEncoder(item, options: EncodingOptions()) == nil)
        #expect(BinaryEncoder(.array(of: .inet), options: EncodingOptions()) == nil)
        #expect(BinaryEncoder(.domain(over: .inet), options: EncodingOptions()) == nil)
        #expect(try text(.array(of: .inet), #"["::1", null]"#) == #"{"::1",NULL}"#)
        #expect(try text(.array(of: .inet), "[[\"::1\"], [null]]") == #"{{"::1"},{NULL}}"#)
        #expect(try text(.array(of: .inet), "\"{::1}\"") == "{::1}")
        #expect(try text(.array(of: .box), #"["(1,1),(0,0)", "(2,2),(0,0)"]"#) == #"{"(1,1),(0,0)";"(2,2),(0,0)"}"#)
        #expect(try text(item, #"{"tags": ["a"], "more": 1, "sku": "x,y"}"#) == #"("x,y","{\\"a\\"}",)"#)
        #expect(try text(.array(of: item), #"[{"sku": "\""}]"#) == #"{"(\\"\\\\\\"\\",,)"}"#)
        #expect(try text(item, "\"(a,,)\"") == "(a,,)")
        #expect(refusal(item, "[1]") == .wrongType)
        #expect(refusal(item, "1") == .wrongType)
        #expect(refusal(.point, "[1, 2]") == .wrongType)
    }

    @Test("a jsonb array takes nested arrays as values, not as dimensions")
    func arrayOfJSON() throws {
        #expect(try text(.array(of: .jsonb), "[[1], {\"a\": 2}, null]") == #"{"[1]","{\\"a\\": 2}",NULL}"#)
    }

    @Test("an integer is what the same digits of JSON are")
    func integers() throws {
        let types: [PostgresType] = [
            .int2, .int4, .int8, .float4, .float8, .numeric, .numeric(5, 2), .text, .json, .jsonb, .varchar(5), .inet,
            .array(of: .int4), .uuid, .bytea, .mood,
        ]
        for type in types {
            for number: Int64 in [0, 42, -7, 123_456, .min, .max] {
                // Of a float text COPY gets what is left of the digits.
                if type == .float4 || type == .float8, number.magnitude > 1 << 20 { continue }
                let written = Encoded(type, .json("\(number)"))
                #expect(Encoded(type, .integer(number)) == written, "\(type.formatted) \(number)")
            }
        }
    }

    @Test("an instant is what the same moment in RFC 3339 is, and epoch milliseconds")
    func moments() throws {
        let made = MadeValue.instant(1_700_000_000_123_400)
        for type in [PostgresType.timestamptz, .timestamp, .date, .text, .jsonb] {
            #expect(Encoded(type, made) == Encoded(type, .string("2023-11-14T22:13:20.1234Z")))
        }
        #expect(Encoded(.int8, made) == Encoded(.int8, .integer(1_700_000_000_123)))
        #expect(Encoded(.varchar(20), made) == .refused(.tooLong))
        #expect(Encoded(.timestamptz, .instant(.min)) == .refused(.outOfRange))
    }
}
