import Kafka
import LoadingFixtures
import Postgres
import Records
import TestSupport
import Testing

@testable import Loading

@Suite struct RowFuzzTests {
    /// A table with a column for each encoder, loaded by binary COPY, and the same with one more column, which makes it
    /// text COPY. Each takes the fields that the random messages have. Twice: as they come, and mended by the route.
    private struct Rows {
        private let targets: [Target]
        private let builder: RowBuilder
        private let batch = Batch()
        private(set) var loaded = 0
        private(set) var refused = 0

        init(_ format: MessageFormat = .json) throws {
            let types: [PostgresType] = [
                .int8, .text, .numeric, .jsonb,
                PostgresType(oid: 16, name: "bool", formatted: "boolean"),
                PostgresType(oid: 17, name: "bytea", formatted: "bytea"),
                PostgresType(oid: 21, name: "int2", formatted: "smallint"), .int4,
                PostgresType(oid: 114, name: "json", formatted: "json"),
                PostgresType(oid: 700, name: "float4", formatted: "real"),
                PostgresType(oid: 701, name: "float8", formatted: "double precision"),
                PostgresType(oid: 1042, name: "bpchar", formatted: "character(3)", modifier: 7),
                PostgresType(oid: 1700, name: "numeric", formatted: "numeric(6,2)", modifier: (6 << 16 | 2) + 4),
                PostgresType(oid: 1082, name: "date", formatted: "date"),
                PostgresType(oid: 1083, name: "time", formatted: "time without time zone"),
                PostgresType(oid: 1184, name: "timestamptz", formatted: "timestamp with time zone"),
                PostgresType(oid: 2950, name: "uuid", formatted: "uuid"),
                PostgresType(oid: 1007, name: "_int4", formatted: "integer[]", shape: .array(of: .int4)),
                PostgresType(oid: 1009, name: "_text", formatted: "text[]", shape: .array(of: .text)),
                PostgresType(oid: 3807, name: "_jsonb", formatted: "jsonb[]", shape: .array(of: .jsonb)),
            ]
            // One letter a type, so that a message of a few bytes is something to most of them.
            let names = (0..<types.count).map { String(UnicodeScalar(UInt8(ascii: "a") + UInt8($0))) }
            func target(_ index: Int, extra: [PostgresType], mended: [Route.Column]? = nil) throws -> Target {
                let columns = zip(names, types).map { Table.Column.made($0, $1, default: $0 == "b" ? "''" : nil) }
                let more = extra.enumerated().map { Table.Column.made("x\($0.offset)", $0.element) }
                let route = Route.made(columns: mended, timeZone: "UTC")
                return try Target.compile(route, index: index, table: .made(columns + more)).get()
            }
            let mended = names.enumerated().map { place, name in
                Route.Column(
                    name: name, trims: place % 2 == 0, nullIf: place % 3 == 0 ? ["", "-1", "abc"] : [],
                    fallback: ["a": "7", "d": "{}", "s": "{x}"][name], onError: place % 5 == 4 ? .deadLetter : .null)
            }
            targets = [
                try target(0, extra: []), try target(1, extra: [.inet]), try target(2, extra: [], mended: mended),
                try target(3, extra: [.inet], mended: mended),
            ]
            builder = RowBuilder(
                plan: MessagePlan(targets: [0, 1, 2, 3], of: targets, format: format), targets: targets)
        }

        /// - Returns: what is wrong with what became of a message; nil if nothing is.
        mutating func difference(_ message: [UInt8]) -> String? {
            defer { batch.removeAll(keepingAtMost: 1 << 20) }
            let range = batch.addRange(of: TopicPartition(topic: "t", partition: 0), expected: 0)
            let noKey = UnsafeRawBufferPointer(start: nil, count: 0)
            let place = message.withUnsafeBytes { batch.append(value: $0, key: noKey, offset: 0, range: range) }
            builder.build(place, in: batch)
            let sections = batch.sections.filter { !$0.rows.isEmpty }
            for target in targets {
                let own = sections.filter { $0.target == target.index }
                let letters = batch.deadLetters.filter { $0.target == target.index }
                guard own.reduce(0, { $0 + $1.rows.count }) + letters.count == 1 else {
                    return "\(own.count) sections and \(letters) for \(target.format)"
                }
            }
            // Both formats take the same values, and refuse the others for the same reason.
            let reasons = targets.map { target in
                batch.deadLetters.first { $0.target == target.index }.map { "\($0.reason) \($0.column ?? "")" }
            }
            for first in [0, 2] where reasons[first] != reasons[first + 1] {
                return "binary \(reasons[first] ?? "-"), text \(reasons[first + 1] ?? "-")"
            }
            let nulled = [2, 3].map { target in batch.nulledValues.filter { $0.target == target }.map(\.column) }
            guard nulled[0] == nulled[1] else { return "NULL in binary \(nulled[0]), in text \(nulled[1])" }
            guard reasons[2] == nil || nulled[0].isEmpty else { return "NULL counted for a dead letter" }
            if reasons[0] == nil { loaded += 1 } else { refused += 1 }
            for section in sections {
                if let fault = fault(of: section) { return fault }
            }
            return nil
        }

        /// Whether the server could take the row apart.
        private func fault(of section: Batch.Section) -> String? {
            let bytes = section.buffer.bytes
            guard section.rows.count == 1, section.rows[0].start == 0, section.rows[0].end == bytes.count else {
                return "rows \(section.rows) in \(bytes.count) bytes"
            }
            guard section.kind == .rows else { return "a tombstone" }
            let target = targets[section.target]
            let omitted = section.omissions[section.rows[0].omission]
            let count = target.columns.count - omitted.reduce(0) { $0 + $1.nonzeroBitCount }
            if target.format == .text {
                let text = Array(bytes)
                guard text.last == UInt8(ascii: "\n"), text.count(where: { $0 == UInt8(ascii: "\n") }) == 1,
                    text.count(where: { $0 == UInt8(ascii: "\t") }) == count - 1, !text.contains(0)
                else { return "a line of other than \(count) fields" }
                return String(validating: text, as: UTF8.self) == nil ? "a line that is no UTF-8" : nil
            }
            guard bytes.loadUnaligned(as: UInt16.self).bigEndian == count else { return "other than \(count) fields" }
            var place = 2
            for _ in 0..<count {
                guard place + 4 <= bytes.count else { return "a field behind the row's end" }
                let length = bytes.loadUnaligned(fromByteOffset: place, as: Int32.self).bigEndian
                guard length >= -1 else { return "a field of \(length) bytes" }
                place += 4 + max(0, Int(length))
            }
            return place == bytes.count ? nil : "fields of \(place) bytes in a row of \(bytes.count)"
        }
    }

    private static let values = [
        "null", "true", "-1", "12.50", "1e3", "99999999999999999999", "\"\"", "\"yes\"", "\"abc \"", "\"\\u0000\"",
        "\"\\\\x00ff\"", "\"\\t\\n\\\\\"", "\"2026-02-03T04:05:06.789Z\"", "\"2026-02-03 04:05\"", "\"04:05:06\"",
        "\"infinity\"", "\"NaN\"", "\"00112233-4455-6677-8899-aabbccddeeff\"", "[]", "[1,2]", "[[1],[2]]", "[[],[]]",
        "[null,\"a\"]", "0", "1", "\"{1,NULL}\"", "\"{{a},{\\\"b\\\"}}\"",
        "\"20260203T040506Z\"", "\"2026-2-3 4:05 Europe/Berlin\"", "\"04:05:06+02\"", "{\"a\":\"\\u0000\"}", "[{},[1]]",
        "\"é😀\"",
    ]

    private static func message(_ generator: inout SeededGenerator) -> String {
        let members = (0..<Int.random(in: 0...4, using: &generator)).map { _ in
            let name = String(UnicodeScalar(UInt8(ascii: "a") + UInt8.random(in: 0..<20, using: &generator)))
            return "\"\(name)\":\(values[Int.random(in: 0..<values.count, using: &generator)])"
        }
        return "{\(members.joined(separator: ","))}"
    }

    /// Up to three other bytes, most of which leave the text JSON.
    private static func change(_ bytes: inout [UInt8], _ generator: inout SeededGenerator) {
        let others = Array("0123456789-+:.eETZ \\\"\t{}[],".utf8) + [0x00, 0x80, 0xC3, 0xFF]
        for _ in 0..<Int.random(in: 1...3, using: &generator) {
            let place = Int.random(in: 0..<bytes.count, using: &generator)
            let other = others[Int.random(in: 0..<others.count, using: &generator)]
            if Bool.random(using: &generator) { bytes[place] = other } else { bytes.insert(other, at: place) }
        }
    }

    @Test("a message becomes one well-formed row or one dead letter, and both formats agree on which")
    func slice() throws {
        var rows = try Rows()
        try Fuzzing.rounds(1, of: "rows") { generator in
            for _ in 0..<5000 {
                var bytes = Array(Self.message(&generator).utf8)
                if Bool.random(using: &generator) { Self.change(&bytes, &generator) }
                if let difference = rows.difference(bytes) {
                    let text = String(decoding: bytes, as: UTF8.self).debugDescription
                    throw Fuzzing.Found(description: "\(difference): \(text)")
                }
            }
            return 5000
        }
        #expect(rows.loaded > 0 && rows.refused > 0)
    }
    @Test("fields of any kind become one well-formed row or one dead letter, and both formats agree on which")
    func kinds() throws {
        var rows = try Rows(.tagged)
        try Fuzzing.rounds(1, of: "rows") { generator in
            for _ in 0..<5000 {
                var message = TaggedMessage()
                for _ in 0..<Int.random(in: 0...4, using: &generator) {
                    let name = String(UnicodeScalar(UInt8(ascii: "a") + UInt8.random(in: 0..<20, using: &generator)))
                    message.add(name, TaggedMessage.random(&generator))
                }
                var bytes = message.bytes
                if Int.random(in: 0..<4, using: &generator) == 0 { Self.change(&bytes, &generator) }
                if let difference = rows.difference(bytes) {
                    throw Fuzzing.Found(description: "\(difference): \(bytes)")
                }
            }
            return 5000
        }
        #expect(rows.loaded > 0 && rows.refused > 0)
    }
}
