import Kafka
import LoadingFixtures
import Postgres
import TestSupport
import Testing

@testable import Loading

/// Each promise is broken here on purpose, and nothing of the batch is in afterwards.
@Suite("Invariants")
struct InvariantTests {
    // MARK: Before COMMIT

    /// A table, a batch of three messages for it, and a transaction that would bring them in.
    private struct Bench {
        let connection: Connection
        let batch: Batch
        let target: Target
        var part: Batch.Part?
        var headStart: HeadStart?
        var letters = LoadingOptions.DeadLetters()

        static func with(
            _ mode: Route.Mode = .insert, _ messages: [(key: String?, value: String?)]? = nil,
            _ body: (inout Bench) throws -> Void
        ) throws {
            try PostgresServer.shared().withSchema { schema in
                let connection = try schema.connect()
                defer { connection.close() }
                try connection.execute("CREATE TABLE t (id int, a text, p int, o bigint, UNIQUE (p, o))")
                let name = TableName(schema: schema.name, name: "t")
                let columns: [Route.Column] = [
                    .init(name: "p", source: .partition), .init(name: "o", source: .offset), .init(name: "id"),
                    .init(name: "a"),
                ]
                let route = Route(topics: [.name("orders")], table: name, mode: mode, columns: columns)
                let options = LoadingOptions(
                    brokers: "", group: "g", database: .init(url: schema.url), routes: [route])
                let target = try #require(try CompiledRoutes.targets(options, on: connection).first)
                let all = messages ?? (0..<3).map { (nil, #"{"id": \#($0), "a": "secret"}"#) }
                var bench = Bench(connection: connection, batch: .filled(all, for: target), target: target)
                bench.letters.table = nil
                try body(&bench)
            }
        }

        func run() throws {
            let transaction = BatchTransaction(
                batch: batch, part: part, targets: [target], connection: connection, ledger: nil,
                database: .init(url: ""), deadLetters: DeadLetterSink(group: "g", options: letters),
                mayReject: { _, _ in nil }, headStart: headStart)
            var care: Care?
            _ = try transaction.run(care: &care)
        }

        /// Runs into a broken promise, and leaves nothing behind.
        func expect(_ invariant: InvariantViolation.Invariant, _ place: SourceLocation = #_sourceLocation) throws {
            do {
                try run()
                Issue.record("it was committed", sourceLocation: place)
            } catch TransactionFailure.violated(let violation) {
                #expect(violation.invariant == invariant, "\(violation)", sourceLocation: place)
                #expect(violation.place.hasPrefix("orders[0]@"), "\(violation)", sourceLocation: place)
                #expect(!"\(violation)".contains("secret"), sourceLocation: place)
            }
            #expect(connection.transactionStatus == .idle, sourceLocation: place)
            #expect(try connection.rows("SELECT count(*) FROM t") == ["0"], sourceLocation: place)
        }
    }

    @Test("a batch of which all holds goes in")
    func sound() throws {
        try Bench.with { bench in
            try bench.run()
            #expect(try bench.connection.rows("SELECT count(*) FROM t") == ["3"])
        }
    }

    @Test("what was noted on a batch on its way stops it before COMMIT")
    func noted() throws {
        try Bench.with { bench in
            bench.batch.note(InvariantViolation(.accountedFor, at: bench.batch.whereabouts, expected: 3, found: 2))
            // What follows may follow from it.
            bench.batch.note(InvariantViolation(.rowCount, at: bench.batch.whereabouts, expected: 3, found: 2))
            try bench.expect(.accountedFor)
        }
    }

    @Test("COPY that has not taken what was sent into a table of the loader's stops it")
    func copied() throws {
        try Bench.with { bench in
            let rows = RowSelection(batch: bench.batch, target: bench.target).rows
            try bench.connection.execute("BEGIN; CREATE TEMP TABLE own (id int) ON COMMIT DROP")
            let connection = RowConnection(plain: bench.connection, batch: bench.batch)
            func send(_ text: String, takesAll: Bool) throws {
                try connection.copy("COPY own FROM STDIN", naming: rows, takesAll: takesAll) {
                    (stream: borrowing CopyInStream) throws(PostgresError) in
                    var buffer = CopyBuffer(capacity: 16)
                    for byte in text.utf8 { buffer.append(byte: byte) }
                    try stream.send(buffer.bytes)
                }
            }
            try send("1\n2\n3\n", takesAll: true)
            try send("1\n", takesAll: false)
            #expect(bench.batch.violation == nil, "in the user's table a trigger may leave a row out")
            try send("1\n2\n", takesAll: true)
            try bench.connection.execute("ROLLBACK")
            try bench.expect(.copyCount)
        }
    }

    @Test("rows that get lost between what was built and what is sent stop it")
    func ordered() throws {
        try Bench.with { bench in
            let selection = RowSelection(batch: bench.batch, target: bench.target)
            let source = RowSource(bench.target, bench.batch.sections, selection.omissions)
            let columns = Array(bench.target.columns.indices)
            func order(_ rows: [RowReference], _ count: Int) -> TargetLoading.Order {
                TargetLoading.Order(
                    deletions: [], groups: [RowGroup(rows: rows, columns: columns)], source: source, rowCount: count)
            }
            order(selection.rows, 3).check(3, selection)
            #expect(bench.batch.violation == nil)
            order(selection.rows, 3).check(4, selection)
            try bench.expect(.rowCount)
        }
        try Bench.with { bench in
            let selection = RowSelection(batch: bench.batch, target: bench.target)
            let order = TargetLoading.Order(
                deletions: [], groups: [], source: RowSource(bench.target, bench.batch.sections, selection.omissions),
                rowCount: 3)
            order.check(3, selection)
            try bench.expect(.rowCount)
        }
    }

    @Test("rows that are neither in nor refused stop it, however carefully they went in")
    func careful() throws {
        try Bench.with { bench in
            try bench.connection.execute(Connection.begin)
            var careful = CarefulLoading(
                batch: bench.batch, connection: bench.connection, care: Care(), isJudging: false)
            careful.loaded.rows = 1
            try careful.load([RowSelection(batch: bench.batch, target: bench.target)])
            try bench.connection.execute("ROLLBACK")
            try bench.expect(.rowCount)
        }
    }

    private static let swallowingLetters = """
        CREATE TABLE letters (
          consumer_group text, topic text, partition int, "offset" bigint, "timestamp" timestamptz, key bytea, value bytea,
          header_names text[], header_values bytea[], target text, reason text, sqlstate text, column_name text, message text,
          attempts int, failed_at timestamptz);
        CREATE UNIQUE INDEX ON letters
          (consumer_group, topic, partition, "offset", target, (coalesce("timestamp", '-infinity')));
        CREATE FUNCTION elsewhere() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER elsewhere BEFORE INSERT ON letters FOR EACH ROW EXECUTE FUNCTION elsewhere();
        """

    @Test("letters that their table has not taken stop it, unless somebody's trigger keeps them elsewhere")
    func letters() throws {
        try Bench.with(.insert, [(nil, #"{"id": 1}"#), (nil, "bad")]) { bench in
            let schema = bench.target.table.name.schema
            bench.letters.table = TableName(schema: schema, name: "letters")
            try bench.connection.execute(Self.swallowingLetters)
            // As if it was none of anybody's.
            let hide = "UPDATE pg_trigger SET tgisinternal = $1 WHERE tgrelid = 'letters'::regclass"
            _ = try bench.connection.query(hide, [.bool(true)])
            try bench.expect(.letterCount)
            _ = try bench.connection.query(hide, [.bool(false)])
        }
        try Bench.with(.insert, [(nil, #"{"id": 1}"#), (nil, "bad")]) { bench in
            let schema = bench.target.table.name.schema
            bench.letters.table = TableName(schema: schema, name: "letters")
            try bench.connection.execute(Self.swallowingLetters)
            try bench.run()
            #expect(try bench.connection.rows("SELECT count(*) FROM t") == ["1"])
        }
    }

    @Test("a part that moves a position further than its messages stops before COMMIT")
    func parts() throws {
        try Bench.with { bench in
            var part = bench.batch.part(upTo: 2)
            part.partitions[0].next = 3
            bench.part = part
            try bench.expect(.partRange)
        }
    }

    @Test("rows do not go into a transaction that somebody has left open")
    func leftOpen() throws {
        try Bench.with { bench in
            try bench.connection.execute("BEGIN; INSERT INTO t (id) VALUES (7)")
            try bench.expect(.transaction)
        }
    }

    @Test("a transaction that has failed unnoticed is not committed")
    func failedUnnoticed() throws {
        try Bench.with { bench in
            try bench.connection.execute("BEGIN")
            #expect(throws: PostgresError.self) { try bench.connection.execute("SELECT 1 / 0") }
            let transaction = BatchTransaction(
                batch: bench.batch, targets: [bench.target], connection: bench.connection, ledger: nil,
                database: .init(url: ""), deadLetters: DeadLetterSink(group: "g", options: bench.letters),
                mayReject: { _, _ in nil })
            let failure = #expect(throws: TransactionFailure.self) { try transaction.checkEnd(.init()) }
            guard case .violated(let violation)? = failure else { return }
            #expect(violation.invariant == .transaction)
            try bench.connection.execute("ROLLBACK")
        }
    }

    private func headStart(_ bench: Bench) throws -> HeadStart {
        let batch = bench.batch
        batch.removeRows(for: RoutedTables.Version(number: 1, targets: [bench.target]))
        var builders = RowBuilders(batch.tables)
        builders.build(batch)
        return try #require(HeadStart.take(batch, nil, .init(url: ""), over: bench.connection))
    }

    @Test("rows of a head start are committed only if they are the batch's still")
    func headStart() throws {
        try Bench.with { bench in
            bench.headStart = try headStart(bench)
            try bench.run()
            #expect(try bench.connection.rows("SELECT count(*) FROM t") == ["3"])
        }
        try Bench.with { bench in
            bench.headStart = try headStart(bench)
            bench.batch.section(0, .rows).rows.removeLast()
            try bench.expect(.headStart)
        }
        try Bench.with { bench in
            bench.headStart = try headStart(bench)
            try bench.connection.execute("ROLLBACK")
            try bench.expect(.transaction)
        }
    }

    @Test("a history is not emptied, whoever says so")
    func history() throws {
        try Bench.with(.history) { bench in
            bench.batch.truncate(0, by: 1)
            try bench.expect(.truncation)
        }
    }

    @Test("rows before a truncation, and those of a head start, are not committed behind it")
    func truncated() throws {
        try Bench.with { bench in
            bench.batch.truncate(0, by: 1)
            let selection = RowSelection(batch: bench.batch, target: bench.target)
            let transaction = BatchTransaction(
                batch: bench.batch, targets: [bench.target], connection: bench.connection, ledger: nil,
                database: .init(url: ""), deadLetters: DeadLetterSink(group: "g", options: bench.letters),
                mayReject: { _, _ in nil })
            try transaction.checkTruncations([selection])
            bench.batch.truncate(0, by: 2)
            let failure = #expect(throws: TransactionFailure.self) { try transaction.checkTruncations([selection]) }
            guard case .violated(let violation)? = failure else { return }
            #expect(violation.invariant == .truncation)
        }
        try Bench.with { bench in
            bench.headStart = try headStart(bench)
            bench.batch.truncate(0, by: 1)
            try bench.expect(.headStart)
        }
    }

    // MARK: On the consumer's thread

    private static func place(_ partition: Int32, _ start: Int64) -> Member.Places.Place {
        Member.Places.Place(partition: TopicPartition(topic: "a", partition: partition), start: start, end: 100)
    }

    private static func range(_ partition: Int32, _ expected: Int64, _ next: Int64) -> Batch.PartitionRange {
        Batch.PartitionRange(
            partition: TopicPartition(topic: "a", partition: partition), expected: expected, next: next)
    }

    @Test("what is in follows what was in before; a batch that does not is not told to the group")
    func chain() {
        var witness = Witness()
        witness.found([Self.place(0, 10)])
        #expect(witness.loaded([Self.range(0, 10, 12)]) == nil)
        #expect(witness.loaded([Self.range(1, 5, 6)]) == nil, "given back since, and known of its batch alone")
        #expect(witness.loaded([Self.range(0, 12, 15), Self.range(1, 7, 8)])?.invariant == .positionChain)
        #expect(witness.loaded([Self.range(0, 12, 15)]) == nil, "none of the batch counts that was out of turn")
        witness.found([Self.place(0, 3)])
        #expect(witness.loaded([Self.range(0, 15, 16)])?.invariant == .positionChain)
        #expect(witness.loaded([Self.range(0, 3, 4)]) == nil, "it goes on where it was found")
    }

    @Test("the group is told what is in and no more")
    func told() {
        var witness = Witness()
        witness.found([Self.place(0, 10)])
        func offset(_ partition: Int32, _ offset: Int64) -> CommittedOffset {
            CommittedOffset(partition: TopicPartition(topic: "a", partition: partition), offset: offset, metadata: "")
        }
        #expect(witness.refuses([offset(0, 10)]) == nil)
        _ = witness.loaded([Self.range(0, 10, 12)])
        #expect(witness.refuses([offset(0, 12)]) == nil)
        for wrong in [offset(0, 13), offset(0, 11), offset(1, 0)] {
            #expect(witness.refuses([offset(0, 12), wrong])?.invariant == .groupOffset)
        }
    }

    @Test("nothing is fetched that the group has not given, and nothing kept that it has taken back")
    func owned() {
        let (zero, one) = (TopicPartition(topic: "a", partition: 0), TopicPartition(topic: "a", partition: 1))
        func fetch(_ partitions: TopicPartition...) -> Member.Fetch {
            Member.Fetch(
                positions: partitions.map { .init(partition: $0, offset: 0, lane: 0) }, restarting: [],
                purpose: .begin(partitions))
        }
        var witness = Witness()
        witness.given([zero, one], isCooperative: false)
        #expect(witness.refuses(fetch(zero, one)) == nil)
        var member = Member(Member.Rules(), at: .now)
        #expect(witness.gaveBack([one], by: member) == nil)
        #expect(witness.refuses(fetch(zero, one))?.invariant == .ownership)
        witness.given([one], isCooperative: true)
        #expect(witness.refuses(fetch(zero, one)) == nil)
        witness.given([zero], isCooperative: false)
        #expect(witness.refuses(fetch(one))?.invariant == .ownership)
        member.lanes[0].ranges = [Self.range(0, 0, 1)]
        #expect(witness.gaveBack([zero], by: member)?.invariant == .ownership)
    }
}
