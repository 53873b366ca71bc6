import Postgres
import TestSupport
import Testing

/// Texts that nobody would think of: what the encoders make of them, against what the type's own input function does.
@Suite("Encoding agrees with PostgreSQL on random text") struct EncodingFuzzTests {
    private let server: PostgresServer

    init() throws { server = try PostgresServer.shared() }

    private struct Subject {
        var type: PostgresType
        var options = EncodingOptions()
        var kind = InputValue.Kind.string
        /// How the server reads `value`, a text: an SQL expression.
        var reading: String
        /// How a loaded `value` is compared with it.
        var shown = "value::text"
        /// False where the server also takes what the encoders do not promise to take.
        var isExact = true
        var text: @Sendable (inout SeededGenerator) -> String
    }

    @Test("a number of any make is what PostgreSQL reads, or refused where it refuses")
    func numeric() throws {
        try compare("numeric", Self.numbers)
    }

    @Test("a time of any make is what PostgreSQL reads, or refused where it refuses")
    func timestamp() throws {
        try compare("timestamp", Self.times)
    }

    private static let numbers: [Subject] = {
        let types: [(PostgresType, String)] = [
            (.numeric, "numeric_in(textout(value), 0, -1)::text"),
            (.numeric(12, 4), limited(12, 4)), (.numeric(6, -1), limited(6, -1)), (.numeric(3, 5), limited(3, 5)),
            (.numeric(1000, 500), limited(1000, 500)),
            (.float8, "float8in(textout(value))::text"), (.float4, "float4in(textout(value))::text"),
            (.int8, "int8in(textout(value))::text"), (.int4, "int4in(textout(value))::text"),
            (.int2, "int2in(textout(value))::text"),
        ]
        let strings = types.map { type, reading in Subject(type: type, reading: reading, text: RandomText.number) }
        let integers = [PostgresType.int8, .int4, .int2].map { type in
            // A JSON number is an integer if it is whole, however it is written.
            let integer = "value::numeric::\(type.formatted)::text"
            return Subject(
                type: type, kind: .number,
                reading: "CASE WHEN value::numeric = trunc(value::numeric) THEN \(integer) END",
                text: RandomText.jsonNumber)
        }
        return strings + integers
    }()

    private static func limited(_ precision: Int, _ scale: Int) -> String {
        "numeric_in(textout(value), 0, \((precision << 16 | scale & 0x7FF) + 4))::text"
    }

    private static let times: [Subject] = {
        // A moment is turned into UTC, which PostgreSQL does with a timestamptz only.
        let moment = "timestamptz_in(textout(value), 0, -1) AT TIME ZONE 'UTC'"
        let hasOffset = #"value ~* '(:|\d[t\s]+\d{4,6}).*(z|utc|[+-]\d+(:?\d+)*)( bc)?\s*$'"#
        func unlessMoment(_ reading: String, _ type: String) -> String {
            "CASE WHEN \(hasOffset) THEN (\(moment))::\(type)::text ELSE \(reading)::text END"
        }
        let types: [(PostgresType, String)] = [
            (.timestamp, unlessMoment("timestamp_in(textout(value), 0, -1)", "timestamp")),
            (.date, unlessMoment("date_in(textout(value))", "date")),
        ]
        let zones = ["UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "+05:30"].map { zone in
            Subject(
                type: .timestamptz, options: EncodingOptions(timeZone: zone),
                reading: "timestamptz_in(textout(value), 0, -1)::text", text: RandomText.time)
        }
        let timesOfDay = Subject(
            type: .time,
            reading: """
                CASE WHEN extract(timezone FROM timetz_in(textout(value), 0, -1)) = 0
                THEN time_in(textout(value), 0, -1)::text
                ELSE (timetz_in(textout(value), 0, -1) AT TIME ZONE 'UTC')::time::text END
                """,
            text: RandomText.timeOfDay)
        let exact =
            types.map { type, reading in Subject(type: type, reading: reading, text: RandomText.time) } + zones
            + [timesOfDay]
        let changed = exact.map { subject in
            var subject = subject
            subject.isExact = false
            subject.text = { [text = subject.text] generator in
                RandomText.changed(text(&generator), "0123456789-:T .+ZzUTCBCutcb \t/infty", &generator)
            }
            return subject
        }
        let units: [(EpochUnit, String)] = [
            (.seconds, "1e6"), (.milliseconds, "1e3"), (.microseconds, "1"), (.nanoseconds, "1e-3"),
        ]
        let epochs = units.map { unit, factor in
            // Microseconds from 2000-01-01, within what the type can hold.
            let microseconds = "(floor(value::numeric * \(factor)) - 946684800000000)"
            return Subject(
                type: .timestamptz, options: EncodingOptions(epochUnit: unit), kind: .number,
                reading: """
                    CASE WHEN \(microseconds) BETWEEN -211813488000000000 AND 9223371331199999999
                    THEN \(microseconds)::text END
                    """,
                shown: "('x' || encode(timestamptz_send(value), 'hex'))::bit(64)::bigint::text",
                text: RandomText.jsonNumber)
        }
        return exact + changed + epochs
    }()

    // MARK: -

    private func compare(_ target: String, _ subjects: [Subject]) throws {
        try server.withSchema { schema in
            let connection = try schema.connect()
            try connection.execute("CREATE TEMP TABLE inputs (id int4, value text)")
            try Fuzzing.rounds(1, of: target) { generator in
                let count = 400
                for var subject in subjects where subject.type.isKnown(to: connection) {
                    subject.options.numericHasInfinity = connection.serverVersion >= 140000
                    try compare(subject, (0..<count).map { _ in subject.text(&generator) }, connection)
                }
                return count * subjects.count
            }
        }
    }

    private func compare(_ subject: Subject, _ texts: [String], _ connection: Connection) throws {
        try prepare(subject, connection)
        let binary = try #require(BinaryEncoder(subject.type, options: subject.options))
        let text = TextEncoder(subject.type, options: subject.options)
        let place = subject.type.formatted + (subject.options.timeZone.map { " in \($0)" } ?? "")
        var inputs: [[UInt8]] = []
        var rows: [[UInt8]] = []
        var lines: [[UInt8]] = []
        var sources: [String] = []
        for (id, source) in texts.enumerated() {
            let reader = EncodingInput()
            let value = InputValue(subject.kind, reader.string(Array(source.utf8)).bytes)
            inputs.append(row(id, networkBytes(Int32(source.utf8.count)) + source.utf8))
            let payload = try? binary.bytes(value, reader)
            let field = try? text.field(value, reader)
            guard (payload == nil) == (field == nil) else {
                throw Fuzzing.Found(description: "one format alone takes \(source.debugDescription) for \(place)")
            }
            guard let payload, let field else { continue }
            sources.append(source)
            rows.append(row(id, payload))
            lines.append(Array("\(id)\t\(field)\n".utf8))
        }
        try copy(inputs, "inputs", isBinary: true, of: texts, connection)
        try copy(rows, "loaded", isBinary: true, of: sources, connection)
        try copy(lines, "lines", isBinary: false, of: sources, connection)
        let difference = try connection.query(
            """
            SELECT i.value, b.shown, t.shown, r.reading
            FROM inputs i CROSS JOIN LATERAL (SELECT pg_temp.reading(i.value) AS reading OFFSET 0) r
            LEFT JOIN (SELECT id, \(subject.shown) AS shown FROM loaded) b USING (id)
            LEFT JOIN (SELECT id, \(subject.shown) AS shown FROM lines) t USING (id)
            WHERE (b.shown IS DISTINCT FROM r.reading OR t.shown IS DISTINCT FROM r.reading)
                AND (\(subject.isExact) OR b.shown IS NOT NULL)
            ORDER BY length(i.value), i.id LIMIT 1
            """)
        guard difference.rowCount > 0 else { return }
        func column(_ index: Int) -> String { difference.string(0, index)?.debugDescription ?? "nothing" }
        throw Fuzzing.Found(
            description: """
                \(place) from the \(subject.kind) \(column(0)): binary COPY makes it \(column(1)), text COPY \(column(2)), \
                PostgreSQL \(column(3))
                """)
    }

    private func prepare(_ subject: Subject, _ connection: Connection) throws {
        let type = subject.type.formatted
        try connection.execute(
            """
            SET client_min_messages = warning;
            DROP TABLE IF EXISTS loaded, lines;
            CREATE TEMP TABLE loaded (id int4, value \(type));
            CREATE TEMP TABLE lines (id int4, value \(type));
            TRUNCATE inputs;
            CREATE OR REPLACE FUNCTION pg_temp.reading(value text) RETURNS text LANGUAGE plpgsql AS $$
            BEGIN
                RETURN \(subject.reading);
            EXCEPTION WHEN data_exception THEN
                RETURN NULL;
            END $$;
            SET TimeZone = 'UTC'
            """)
        guard let zone = subject.options.timeZone else { return }
        // PostgreSQL's SET counts offsets as POSIX does, so its interval form it is.
        let isOffset = zone.hasPrefix("+") || zone.hasPrefix("-")
        try connection.execute(
            isOffset ? "SET TIME ZONE INTERVAL '\(zone)' HOUR TO MINUTE" : "SET TIME ZONE '\(zone)'")
    }

    private func row(_ id: Int, _ payload: [UInt8]) -> [UInt8] {
        networkBytes(2 as Int16) + networkBytes(4 as Int32) + networkBytes(Int32(id)) + payload
    }

    private func networkBytes(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }

    /// Copies all rows; if the server refuses one, finds out which.
    private func copy(
        _ rows: [[UInt8]], _ table: String, isBinary: Bool, of sources: [String], _ connection: Connection
    ) throws {
        func send(_ rows: [[UInt8]]) throws(PostgresError) {
            var buffer = CopyBuffer()
            if isBinary { BinaryCopy.appendHeader(to: &buffer) }
            for row in rows { row.withUnsafeBytes { buffer.append($0) } }
            if isBinary { BinaryCopy.appendTrailer(to: &buffer) }
            let copy = "COPY \(table) FROM STDIN\(isBinary ? " (FORMAT binary)" : "")"
            _ = try connection.copyIn(copy) { stream throws(PostgresError) in try stream.send(buffer.bytes) }
        }
        do {
            try send(rows)
        } catch {
            for (row, source) in zip(rows, sources) {
                do throws(PostgresError) { try send([row]) } catch {
                    throw Fuzzing.Found(
                        description: "COPY \(table) refuses what was made of \(source.debugDescription): \(error)")
                }
            }
            throw error
        }
    }
}

/// Random texts of numbers and times: most of them of the grammar, many at its edges, some beside it.
private enum RandomText {
    private static func chance(_ outOf: Int, _ generator: inout SeededGenerator) -> Bool {
        Int.random(in: 0..<outOf, using: &generator) == 0
    }

    /// Changes up to three characters.
    static func changed(_ text: String, _ alphabet: String, _ generator: inout SeededGenerator) -> String {
        var bytes = Array(text.utf8)
        let alphabet = Array(alphabet.utf8)
        for _ in 0..<Int.random(in: 1...3, using: &generator) {
            let place = Int.random(in: 0...bytes.count, using: &generator)
            let byte = alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
            switch Int.random(in: 0..<3, using: &generator) {
            case 0: bytes.insert(byte, at: place)
            case 1 where place < bytes.count: bytes.remove(at: place)
            default: if place < bytes.count { bytes[place] = byte }
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func digits(_ count: Int, _ generator: inout SeededGenerator) -> String {
        // Few different ones, so that rounding carries, and zeros stand at either end.
        let choice: [UInt8] = chance(2, &generator) ? Array("0123456789".utf8) : Array("00459999".utf8)
        let bytes = (0..<count).map { _ in choice[Int.random(in: 0..<choice.count, using: &generator)] }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func number(_ generator: inout SeededGenerator) -> String {
        if chance(40, &generator) {
            let words = ["NaN", "Infinity", "-Infinity", "inf", "+inf", "-inf", "+nan", "", " ", "-", "+", ".", "e1"]
            let word = words[Int.random(in: 0..<words.count, using: &generator)]
            return chance(2, &generator) ? word : changed(word, "infatyINFATY+- .", &generator)
        }
        let limits = [330, 330, 330, 20_000, 140_000, 2_147_483_647]
        let limit = limits[Int.random(in: 0..<(chance(10, &generator) ? limits.count : 3), using: &generator)]
        var text = number(exponents: -limit...limit, &generator)
        // No space within: before the digits of an exponent PostgreSQL 15 takes it, and 16 does not.
        if chance(4, &generator) { text = changed(text, "0123456789+-.eE", &generator) }
        return chance(10, &generator) ? "\t \(text)\n" : text
    }

    private static func number(exponents: ClosedRange<Int>, _ generator: inout SeededGenerator) -> String {
        var text = ["", "", "-", "+"][Int.random(in: 0..<4, using: &generator)]
        let most = chance(400, &generator) ? 15_000 : chance(2, &generator) ? 8 : 40
        let length = Int.random(in: 0...most, using: &generator)
        text += digits(length, &generator)
        if chance(2, &generator) || length == 0 {
            text +=
                "." + digits(Int.random(in: 0...(chance(400, &generator) ? 17_000 : 20), using: &generator), &generator)
        }
        if chance(3, &generator) {
            let exponent = Int.random(in: exponents, using: &generator)
            text += (chance(2, &generator) ? "e" : "E") + (exponent >= 0 && chance(2, &generator) ? "+" : "")
            text += "\(exponent)"
        }
        return text
    }

    /// As JSON writes numbers.
    static func jsonNumber(_ generator: inout SeededGenerator) -> String {
        var text = chance(3, &generator) ? "-" : ""
        let whole = digits(Int.random(in: 1...20, using: &generator), &generator).drop { $0 == "0" }
        text += whole.isEmpty ? "0" : whole
        if chance(2, &generator) { text += "." + digits(Int.random(in: 1...20, using: &generator), &generator) }
        if chance(3, &generator) { text += "e\(Int.random(in: -30...30, using: &generator))" }
        return text
    }

    private static func two(_ range: ClosedRange<Int>, _ generator: inout SeededGenerator) -> String {
        let value = Int.random(in: range, using: &generator)
        return value < 10 ? "0\(value)" : "\(value)"
    }

    static func timeOfDay(_ generator: inout SeededGenerator) -> String {
        var text = two(0...24, &generator) + ":" + two(chance(10, &generator) ? 0...61 : 0...59, &generator)
        if !chance(10, &generator) {
            text += ":" + two(chance(10, &generator) ? 58...62 : 0...59, &generator)
            let fraction = Int.random(in: 0...(chance(20, &generator) ? 40 : 12), using: &generator)
            if fraction > 0 { text += "." + digits(fraction, &generator) }
        }
        let sign = chance(2, &generator) ? "+" : "-"
        switch Int.random(in: 0...11, using: &generator) {
        case 0, 1, 2: text += "Z"
        case 3, 4: text += sign + two(0...16, &generator) + ":" + two(0...60, &generator)
        case 5: text += sign + two(0...16, &generator)
        case 6: text += sign + two(0...15, &generator) + two(0...59, &generator)
        case 7: text += sign + two(0...15, &generator) + ":" + two(0...59, &generator) + ":" + two(0...60, &generator)
        default: break
        }
        return text
    }

    static func time(_ generator: inout SeededGenerator) -> String {
        let years = [1960...2090, 1...300_000, 1...9999, 4712...4715, 294_275...294_278, 5_874_896...5_874_899]
        let year = Int.random(
            in: years[Int.random(in: 0..<(chance(3, &generator) ? years.count : 2), using: &generator)],
            using: &generator)
        var text = String(repeating: "0", count: max(0, 4 - "\(year)".count)) + "\(year)-"
        text += two(chance(50, &generator) ? 0...13 : 1...12, &generator) + "-" + two(1...31, &generator)
        if !chance(10, &generator) {
            text += ["T", " "][Int.random(in: 0..<2, using: &generator)] + timeOfDay(&generator)
        }
        if chance(10, &generator) { text += " BC" }
        return chance(50, &generator) ? " \(text)\n" : text
    }
}
