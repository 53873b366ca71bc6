import Foundation
import Kafka
import Postgres
import TestSupport

/// Bad messages of many kinds among good ones.
struct Poison: FaultCase {
    let name = "poison"
    let summary = "bad messages of \(Kind.all.count) kinds among good ones, 1 in 10 and 1 in 10,000"

    func least(_ scale: FaultScale) -> FaultCounts {
        var least = FaultCounts()
        for kind in Kind.all { least.kinds[kind.name] = scale == .full ? 20 : 1 }
        return least
    }

    func run(_ context: FaultContext) async throws -> FaultReport {
        let server = try context.startDatabase()
        var report = FaultReport()
        let parts: [(oneIn: Int, count: Int)] = [
            (10, context.figure(60_000, slice: 4000)), (10_000, context.figure(600_000, slice: 40_000)),
        ]
        for (part, (oneIn, count)) in parts.enumerated() {
            // The mock keeps some megabytes of each partition.
            let broker = try FaultCluster.mock(brokers: 1)
            let figures = try await Stage.with(broker, server, context) { stage in
                var stage = stage
                var generator = context.generator(part)
                try stage.produce(count, badOneIn: oneIn, &generator)
                try await stage.load()
                try stage.compare()
                if oneIn == 10_000, context.scale == .full { try await stage.measure(pairs: 7) }
                return stage.report
            }
            report.add(figures)
        }
        return report
    }

    // MARK: Kinds

    /// What is wrong with a message, and what its dead letter must say.
    struct Kind: Sendable {
        let name: String
        /// Members that are laid over a good message: of a name that comes twice the last one counts.
        var members = ""
        /// The whole value, where it is not JSON at all.
        var value: [UInt8]?
        let reason: String
        var sqlState: String?
        var column: String?

        static let all: [Kind] = [
            Kind(name: "not JSON", value: Array("id=1".utf8), reason: "invalid_json"),
            Kind(name: "truncated JSON", value: Array(#"{"id": 1, "req": "r"#.utf8), reason: "invalid_json"),
            Kind(name: "empty", value: [], reason: "invalid_json"),
            Kind(name: "not an object", value: Array("[1, 2]".utf8), reason: "not_an_object"),
            Kind(name: "invalid UTF-8", value: invalidUTF8, reason: "invalid_utf8"),
            Kind(name: "wrong type", members: #""small": true"#, reason: "wrong_type", column: "small"),
            Kind(name: "integer out of range", members: #""small": 32768"#, reason: "out_of_range", column: "small"),
            Kind(name: "numeric overflow", members: #""amount": 100000"#, reason: "out_of_range", column: "amount"),
            Kind(
                name: "bad timestamp", members: #""at": "2024-13-01T00:00:00Z""#, reason: "bad_syntax", column: "at"),
            Kind(
                name: "timestamp without a zone", members: #""at": "2024-01-01T00:00:00""#, reason: "missing_zone",
                column: "at"),
            Kind(name: "U+0000 in text", members: #""req": "a\u0000b""#, reason: "nul", column: "req"),
            Kind(name: "string too long", members: #""name": "123456""#, reason: "too_long", column: "name"),
            Kind(
                name: "required field missing", members: #""must": null"#, reason: "missing_field", column: "must"),
            Kind(name: "null into not null", members: #""req": null"#, reason: "null_in_not_null", column: "req"),
            Kind(
                name: "unknown enum label", members: #""mood": "furious""#, reason: "refused_by_server",
                sqlState: "22P02", column: "mood"),
            Kind(name: "unique violation", members: #""uniq": 0"#, reason: "refused_by_server", sqlState: "23505"),
            Kind(name: "check violation", members: #""amount": -1"#, reason: "refused_by_server", sqlState: "23514"),
            Kind(
                name: "foreign key violation", members: #""owner": -1"#, reason: "refused_by_server",
                sqlState: "23503"),
            Kind(
                name: "trigger's exception", members: #""req": "raise""#, reason: "refused_by_server",
                sqlState: "P0001"),
        ]

        /// The second byte of a pair is none.
        private static let invalidUTF8: [UInt8] = {
            var value = Array(#"{"req": "#.utf8)
            value.append(contentsOf: [0x22, 0xC3, 0x28, 0x22, 0x7D])
            return value
        }()

        func message(_ id: Int) -> [UInt8] { value ?? Array(Self.good(id, members).utf8) }

        static func good(_ id: Int, _ members: String = "") -> String {
            #"{"id":\#(id),"req":"r\#(id % 1000)","must":1,"small":7,"amount":12.50,"at":"2024-05-05T05:05:05Z""#
                + (members.isEmpty ? "}" : ",\(members)}")
        }
    }

    // MARK: One topic

    private struct Stage {
        let broker: Broker
        let server: PostgresServer
        let schema: PostgresServer.Schema
        let context: FaultContext
        /// The topic with the bad messages, and one with as many good ones, to be as fast as.
        let topic: String
        let cleanTopic: String
        let group = Broker.randomName("group")
        var report = FaultReport()
        /// By partition and offset.
        private var planted: [[Int64: Int]] = []
        private var count = 0

        private static let partitions = 8

        static func with(
            _ broker: Broker, _ server: PostgresServer, _ context: FaultContext,
            _ body: (Stage) async throws -> FaultReport
        ) async throws -> FaultReport {
            try await server.withSchema { schema in
                try schema.connect().execute(
                    """
                    CREATE TYPE mood AS ENUM ('calm', 'glad');
                    CREATE TABLE owners (id int PRIMARY KEY);
                    CREATE TABLE landed (
                      id bigint, partition int, "offset" bigint, small int2, name varchar(5), mood mood,
                      amount numeric(6,2) CHECK (amount >= 0), req text NOT NULL, must int, at timestamptz,
                      uniq int UNIQUE, owner int REFERENCES owners);
                    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
                      BEGIN RAISE EXCEPTION 'not this one'; END $$;
                    CREATE TRIGGER refuse BEFORE INSERT ON landed FOR EACH ROW
                      WHEN (NEW.req = 'raise') EXECUTE FUNCTION refuse();
                    INSERT INTO landed (id, uniq, req) VALUES (-1, 0, 'was here before')
                    """)
                return try await broker.withTopic(partitions: partitions) { topic in
                    try await broker.withTopic(partitions: partitions) { cleanTopic in
                        try await body(
                            Stage(
                                broker: broker, server: server, schema: schema, context: context, topic: topic,
                                cleanTopic: cleanTopic))
                    }
                }
            }
        }

        private init(
            broker: Broker, server: PostgresServer, schema: PostgresServer.Schema, context: FaultContext, topic: String,
            cleanTopic: String
        ) {
            (self.broker, self.server, self.schema, self.context) = (broker, server, schema, context)
            (self.topic, self.cleanTopic) = (topic, cleanTopic)
        }

        mutating func produce(_ count: Int, badOneIn: Int, _ generator: inout SeededGenerator) throws {
            self.count = count
            planted = Array(repeating: [:], count: Self.partitions)
            // Kinds take turns in random order, so each comes as often as any other. One in so many exactly, somewhere
            // within its share.
            var kinds: [Int] = []
            var bad = -1
            var messages: [(partition: Int, value: [UInt8])] = []
            messages.reserveCapacity(count)
            for id in 0..<count {
                if id % badOneIn == 0 { bad = id + Int.random(in: 0..<min(badOneIn, count - id), using: &generator) }
                let partition = id % Self.partitions
                guard id == bad else {
                    messages.append((partition, Array(Kind.good(id).utf8)))
                    continue
                }
                if kinds.isEmpty { kinds = Kind.all.indices.shuffled(using: &generator) }
                let kind = kinds.removeLast()
                planted[partition][Int64(id / Self.partitions)] = kind
                report.faults.count(Kind.all[kind].name, midRun: id > 0 && id < count - 1)
                messages.append((partition, Kind.all[kind].message(id)))
            }
            try broker.produce(
                messages.lazy.map { TestMessage(partition: Int32($0.partition), key: nil, bytes: $0.value) }, to: topic)
        }

        private func environment(_ topic: String, _ group: String) -> [String: String] {
            var environment = [
                "KAFKA_BROKERS": broker.bootstrapServers, "KAFKA_CONSUMER_GROUP": group, "KAFKA_TOPIC": topic,
                "DATABASE_URL": schema.url, "LOADER_TABLE": "landed", "LOADER_HTTP_LISTEN": "127.0.0.1:0",
                "LOADER_LOG_FORMAT": "json", "LOADER_ROUTES_0_COLUMNS_PARTITION": "$partition",
                "LOADER_ROUTES_0_COLUMNS_OFFSET": "$offset",
            ]
            for column in ["id", "small", "name", "mood", "amount", "req", "at", "uniq", "owner"] {
                environment["LOADER_ROUTES_0_COLUMNS_\(column.uppercased())"] = column
            }
            return environment
        }

        /// What `--set` says of a column goes along with what variables say of others. Each measurement is a group of its own.
        private static let command = [
            "run", "--until-end", "--new-group", "--set", "routes.0.columns.must.from=must", "--set",
            "routes.0.columns.must.required=true",
        ]

        mutating func load() async throws {
            let loader = try context.start(environment(topic, group), command: Self.command)
            let status = try await loader.waitForExit(within: .seconds(300))
            report.expect(status == 0, "the loader ended with \(status): \(loader.log.path())")
        }

        /// Every good message is a row, once; every bad one a dead letter that says what is wrong, byte for byte.
        mutating func compare() throws {
            let connection = try schema.connect()
            report.messages += count
            var seen = planted.map { _ in Set<Int64>() }
            try connection.execute(
                """
                BEGIN; DECLARE landed_rows NO SCROLL CURSOR FOR
                  SELECT partition, "offset", id FROM landed WHERE id >= 0
                """)
            while true {
                let rows = try connection.query("FETCH 50000 FROM landed_rows")
                if rows.rowCount == 0 { break }
                report.rows += rows.rowCount
                for row in 0..<rows.rowCount {
                    let partition = rows.int(row, 0).map(Int.init) ?? 0
                    let offset = rows.int(row, 1) ?? -1
                    if !seen[partition].insert(offset).inserted { report.doubled += 1 }
                    let isRight = rows.int(row, 2) == offset * Int64(Self.partitions) + Int64(partition)
                    if !isRight || planted[partition][offset] != nil { report.wrong += 1 }
                }
            }
            try connection.execute("COMMIT")
            let expectedLetters = planted.reduce(0) { $0 + $1.count }
            let lost = count - expectedLetters - seen.reduce(0) { $0 + $1.count }
            report.lost += max(0, lost)
            report.deadLettersExpected += expectedLetters
            let letters = try connection.query(
                """
                SELECT partition, "offset", reason, sqlstate, column_name, encode(value, 'hex') FROM loader.dead_letters
                WHERE consumer_group = $1
                """, [.text(group)])
            report.deadLettersFound += letters.rowCount
            var found = planted.map { _ in Set<Int64>() }
            var differing: [String] = []
            for row in 0..<letters.rowCount {
                let partition = letters.int(row, 0).map(Int.init) ?? 0
                let offset = letters.int(row, 1) ?? -1
                found[partition].insert(offset)
                let id = Int(offset) * Self.partitions + partition
                guard let kind = planted[partition][offset].map({ Kind.all[$0] }) else {
                    differing.append("[\(partition)]@\(offset) was good")
                    continue
                }
                let says = [letters.string(row, 2), letters.string(row, 3), letters.string(row, 4)]
                let hex = kind.message(id).map { String(format: "%02x", $0) }.joined()
                if says != [kind.reason, kind.sqlState, kind.column] || letters.string(row, 5) != hex {
                    differing.append("[\(partition)]@\(offset), \(kind.name): \(says)")
                }
            }
            report.wrong += differing.count
            let missing = expectedLetters - zip(planted, found).reduce(0) { $0 + $1.1.intersection($1.0.keys).count }
            report.lost += missing
            let (doubled, wrong) = (report.doubled, report.wrong)
            report.expect(
                lost == 0 && doubled == 0 && wrong == 0 && missing == 0 && letters.rowCount == expectedLetters,
                "\(lost) rows lost, \(doubled) doubled, \(wrong) wrong; \(letters.rowCount) dead letters of "
                    + "\(expectedLetters), \(missing) missing; \(differing.prefix(5))")
        }

        // MARK: Throughput

        private static let mostLoss = 0.2

        /// Loads the topic with and without bad messages in turn, and compares how fast that was.
        ///
        /// - Parameter pairs: how often at least. Where the median says that it cost too much, up to three times as many
        ///   tell whether it was the loader or the machine.
        mutating func measure(pairs: Int) async throws {
            try broker.produce(
                (0..<count).lazy.map { id in
                    TestMessage(
                        partition: Int32(id % Self.partitions), key: nil, value: Kind.good(id))
                }, to: cleanTopic)
            var ratios: [Double] = []
            var rates: [Double] = []
            var loss: Double { 1 - ratios.sorted()[ratios.count / 2] }
            while ratios.count < pairs || (loss >= Self.mostLoss && ratios.count < 3 * pairs) {
                // In turns also who is first.
                let order = ratios.count % 2 == 0 ? [cleanTopic, topic] : [topic, cleanTopic]
                var (clean, poisoned) = (0.0, 0.0)
                for each in order {
                    let rate = try await rate(of: each)
                    if each == cleanTopic { clean = rate } else { poisoned = rate }
                }
                ratios.append(poisoned / clean)
                rates.append(clean)
            }
            report.notes.append(
                String(
                    format:
                        "1 bad in 10,000 costs %.1f %% of the throughput (median of %d pairs of runs, each ratio: %@; "
                        + "%.0f messages/s without)", loss * 100, ratios.count,
                    ratios.sorted().map { String(format: "%.2f", $0) }.joined(separator: " "),
                    rates.sorted()[rates.count / 2]))
            report.expect(loss < Self.mostLoss, "1 bad message in 10,000 costs \(Int(loss * 100)) % of the throughput")
        }

        /// Messages a second, from the first batch to the last.
        private func rate(of topic: String) async throws -> Double {
            let connection = try schema.connect()
            try connection.execute(
                "TRUNCATE landed; INSERT INTO landed (id, uniq, req) VALUES (-1, 0, 'was here before')")
            let group = Broker.randomName("group")
            let loader = try context.start(environment(topic, group), command: Self.command)
            func loaded() throws -> Int {
                try connection.query(
                    """
                    SELECT coalesce(sum(next_offset), 0) FROM loader.positions WHERE consumer_group = $1 AND topic = $2
                    """, [.text(group), .text(topic)]
                ).int(0, 0).map(Int.init) ?? 0
            }
            var first = 0
            try await eventually("the first batch is in", within: .seconds(60)) {
                first = try loaded()
                return first > 0
            }
            let began = ContinuousClock.now
            try await eventually("the last batch is in", within: .seconds(300)) { try loaded() == count }
            let seconds = began.age
            let status = try await loader.waitForExit()
            guard status == 0 else {
                throw LoaderProcess.Unexpected(what: "ended with \(status)", output: loader.output)
            }
            return Double(count - first) / seconds
        }
    }
}
