import Foundation
import Kafka
import Loading
import Logging
import Operating
import Postgres
import TestSupport
import Testing

@testable import Loader

@Suite("Verification")
struct VerifyTests {
    private func row(_ id: Int, _ v: String) -> TestMessage {
        TestMessage(key: String(id), value: #"{"id": \#(id), "v": "\#(v)", "n": \#(id).50}"#)
    }

    @Test(
        "each kind of planted difference in a table of mode upsert is named, with its columns and the message that decided"
    )
    func upsert() async throws {
        try await Scenario.with("CREATE TABLE t (id int PRIMARY KEY, v text, n numeric(9,2))") { scenario in
            let topic = try scenario.topic(
                (1...20).map { row($0, "a") } + [row(3, "b"), TestMessage(key: #"{"id": 4}"#, value: nil), row(5, "c")])
            let routes = [Route(topic, "t", mode: .upsert)]
            try await scenario.load(routes)
            var report = try await scenario.verify(routes)
            #expect(report.holds && report.messages == 23 && report.tables.map(\.rows) == [19], "\(report)")
            #expect(report.tables.map(\.way) == [.keys] && report.noteWords.isEmpty)

            try scenario.connection.execute(
                """
                DELETE FROM t WHERE id = 2; UPDATE t SET v = 'x' WHERE id = 3; INSERT INTO t VALUES (4, 'a', 4.5);
                INSERT INTO t VALUES (99, 'a', 1); UPDATE t SET n = NULL, v = 'y' WHERE id = 5; UPDATE t SET n = 6.5 WHERE id = 6
                """)
            report = try await scenario.verify(routes)
            #expect(
                report.words == [
                    "extra 4 [0]@21 deleted", "extra 99 -", "missing 2 [0]@1", "other 3 [0]@20 v", "other 5 [0]@22 v n",
                ])
            #expect(report.differenceCount == 5)
            let shown = try await scenario.verify(routes) { $0.showsValues = true }
            #expect(shown.words.contains("other 5 [0]@22 v(c,y) n(5.50,∅)"))
            let few = try await scenario.verify(routes) { $0.limit = 2 }
            #expect(few.differenceCount == 5 && few.tables[0].differences.count == 2)
        }
    }

    @Test(
        "what many messages of a key come to is what the last one says, however many are taken at once, and whether or not some leave out columns",
        arguments: [false, true])
    func manyBatches(leavesOut: Bool) async throws {
        let table = "CREATE TABLE t (id int, part text, v text, n numeric(9,2) DEFAULT 7, PRIMARY KEY (id, part))"
        try await Scenario.with(table) { scenario in
            var random = SeededGenerator.random(for: "VerifyTests.manyBatches")
            let messages = (0..<12_000).map { index -> TestMessage in
                let key = "\"id\": \(Int.random(in: 0..<4000, using: &random)), \"part\": \"\(index % 2)\""
                switch Int.random(in: 0..<10, using: &random) {
                case 0, 1: return TestMessage(key: "{\(key)}", value: nil)
                case 2 where leavesOut && index > 4000:
                    return TestMessage(key: nil, value: "{\(key), \"v\": \"\(index)\"}")
                default: return TestMessage(key: nil, value: "{\(key), \"v\": \"\(index)\", \"n\": \(index)}")
                }
            }
            let topic = try scenario.topic(messages)
            let routes = [Route(topic, "t", mode: .upsert)]
            try await scenario.load(routes)
            // Of 3500 messages, the new keys go in apart from those that were seen.
            for batch in [100_000, 3500, 300] {
                var report = try await scenario.verify(routes) { $0.batchMessages = batch }
                #expect(report.holds && report.messages == 12_000, "\(batch) \(report)")
                #expect(report.tables.map(\.rows) == [Int(try scenario.rows("SELECT count(*) FROM t")[0])])
                try scenario.connection.execute(
                    "CREATE TABLE kept AS SELECT * FROM t ORDER BY id, part LIMIT 3; DELETE FROM t USING kept WHERE t = kept"
                )
                report = try await scenario.verify(routes) { $0.batchMessages = batch }
                #expect(report.tables[0].differences.map(\.kind) == [.missing, .missing, .missing])
                try scenario.connection.execute("INSERT INTO t SELECT * FROM kept; DROP TABLE kept")
            }
        }
    }

    @Test("rows of mode insert are compared message by message where columns say of which they are, else counted")
    func insert() async throws {
        let tables = "CREATE TABLE placed (p int, o bigint, id int, v text); CREATE TABLE counted (id int, v text)"
        try await Scenario.with(tables) { scenario in
            let topic = try scenario.topic(
                (0..<30).map { index in
                    var message = row(index, "a")
                    message.partition = Int32(index % 3)
                    return message
                }, partitions: 3)
            let columns: [Route.Column] = [
                Route.Column("p", "$partition"), Route.Column("o", "$offset"), Route.Column("id", "id"),
                Route.Column("v", "v"),
            ]
            let routes = [
                Route(topic, "placed", columns: columns), Route(topic, "counted", label: "routes[1]"),
            ]
            try await scenario.load(routes)
            var report = try await scenario.verify(routes)
            #expect(report.holds && report.tables.map(\.rows) == [30, 30], "\(report)")
            #expect(report.tables.map(\.way) == [.places, .counts] && report.noteWords == ["not_verified -"])

            try scenario.connection.execute(
                """
                DELETE FROM placed WHERE p = 1 AND o = 3; INSERT INTO placed SELECT * FROM placed WHERE p = 2 AND o = 5;
                UPDATE placed SET v = 'b' WHERE p = 0 AND o = 9; INSERT INTO placed VALUES (0, 77, 1, 'a'), (NULL, NULL, 2, 'a');
                DELETE FROM counted WHERE id < 2
                """)
            report = try await scenario.verify(routes)
            #expect(
                report.words == [
                    "count  -", "doubled 2,5 [2]@5", "extra 0,77 -", "extra ∅,∅ -", "missing 1,3 [1]@3",
                    "other 0,9 [0]@9 v",
                ])
            #expect(report.tables[1].differences.map(\.found) == [28])
            let one = try await scenario.verify(routes) { $0.routes = [1] }
            #expect(one.tables.map(\.route) == ["routes[1]"] && one.differenceCount == 1)
        }
    }

    @Test("mode ignore keeps the first row of a key, and one that was there before is not what the topic says")
    func ignore() async throws {
        try await Scenario.with("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (2, 'old')") {
            scenario in
            let topic = try scenario.topic([
                TestMessage(key: nil, value: #"{"id": 1, "v": "a"}"#),
                TestMessage(key: nil, value: #"{"id": 1, "v": "b"}"#),
                TestMessage(key: nil, value: #"{"id": 2, "v": "c"}"#),
            ])
            let routes = [Route(topic, "t", mode: .ignore)]
            try await scenario.load(routes)
            #expect(try await scenario.verify(routes).words == ["other 2 [0]@2 v"])
        }
    }

    @Test(
        "a history is compared row by row, with the ends of its versions; of each message one row, whatever others changed"
    )
    func history() async throws {
        let table = """
            CREATE TABLE h (sku text, amount int, at timestamptz, until timestamptz, o bigint, p int,
                            PRIMARY KEY (p, o));
            CREATE INDEX ON h (sku, at)
            """
        try await Scenario.with(table) { scenario in
            let topic = try scenario.topic(
                (1...9).map { index in
                    var message = TestMessage(key: nil, value: #"{"sku": "s\#(index % 2)", "amount": \#(index)}"#)
                    message.timestamp = 1_700_000_000_000 + Int64(index) * 1000
                    return message
                })
            var route = Route(
                topic, "h", mode: .history,
                columns: [
                    Route.Column("at", "$timestamp"), Route.Column("o", "$offset"), Route.Column("p", "$partition"),
                ])
            (route.validity.key, route.validity.from, route.validity.to) = (["sku"], "at", "until")
            try await scenario.load([route])
            #expect(try await scenario.verify([route]).words == [])
            try scenario.connection.execute(
                "UPDATE h SET until = NULL WHERE o = 2; UPDATE h SET amount = 0 WHERE o = 3; DELETE FROM h WHERE o = 8")
            #expect(
                try await scenario.verify([route]).words == [
                    "missing 0,8 [0]@8", "other 0,2 [0]@2 until", "other 0,3 [0]@3 amount",
                ])
        }
    }

    @Test(
        "patches, defaults, marks and versions come to what the loader makes of them, and nothing is told that it leaves to the table"
    )
    func patches() async throws {
        let tables = """
            CREATE TABLE stock (sku text PRIMARY KEY, amount int, shelf text, note text DEFAULT 'new',
                                at timestamptz DEFAULT now(), taken timestamptz);
            CREATE TABLE newest (sku text PRIMARY KEY, v int, a int, gone boolean)
            """
        try await Scenario.with(tables) { scenario in
            let random = (0..<300).map { index in
                let fields = [
                    index % 2 == 0 ? #""amount": \#(index)"# : nil, index % 3 == 0 ? #""shelf": "S\#(index)""# : nil,
                    index % 7 == 0 ? #""note": "n\#(index)""# : nil,
                ].compactMap(\.self)
                let sku = "s\(index * 7 % 20)"
                return TestMessage(
                    key: sku, value: "{" + ([#""sku": "\#(sku)""#] + fields).joined(separator: ", ") + "}")
            }
            let topic = try scenario.topic(random)
            let versions = (0..<300).map { index in
                let version = index * 37 % 300
                let key = #"{"sku": "s\#(index % 11)", "v": \#(version)}"#
                return TestMessage(key: key, value: index % 9 == 0 ? nil : #"{"a": \#(index)}"#)
            }
            let other = try scenario.topic(versions)
            var stock = Route(topic, "stock", mode: .upsert, columns: [Route.Column("taken", "$now")])
            stock.absent = .keep
            var newest = Route(
                other, "newest", mode: .upsert, onTombstone: .mark,
                columns: [Route.Column("sku", "$key.sku"), Route.Column("v", "$key.v")], label: "routes[1]")
            (newest.newer, newest.mark) = (["v"], "gone")
            let routes = [stock, newest]
            try await scenario.load(routes) { $0.batch.maxRows = 17 }
            var report = try await scenario.verify(routes)
            #expect(report.words == [] && report.tables.map(\.rows) == [20, 11], "\(report)")
            #expect(report.noteWords == ["not_compared -", "partly_compared -"])
            try scenario.connection.execute(
                """
                UPDATE stock SET taken = now(), at = now(), note = 'mine' WHERE sku = 's1' AND note = 'new';
                UPDATE stock SET shelf = 'X' WHERE sku = 's2'; UPDATE newest SET gone = NOT gone WHERE sku = 's3';
                UPDATE newest SET v = v + 1 WHERE sku = 's4'
                """)
            report = try await scenario.verify(routes)
            #expect(
                report.tables.flatMap(\.differences).map { [$0.key[0].value ?? ""] + $0.columns.map(\.name) }
                    == [["s2", "shelf"], ["s3", "gone"], ["s4", "v"]])
        }
    }

    @Test(
        "rows of elements: sets of a parent, in the tables of an order and its children, and one that is not there any more"
    )
    func elements() async throws {
        var random = SeededGenerator.random(for: "verified orders")
        try await Scenario.with(OrderModel.tables) { scenario in
            var model = OrderModel()
            let messages = (0..<200).map { model.message($0, orders: 12, using: &random) }
            let topic = try scenario.topic(messages, partitions: 3)
            let routes = try ElementsTests.routes(topic)
            try await scenario.load(routes) { $0.batch.maxRows = 30 }
            #expect(try await scenario.verify(routes).words == [])
            try scenario.connection.execute(
                """
                INSERT INTO orders VALUES (500, 'x', 1); INSERT INTO items (order_id, sku, qty, line) VALUES (500, 'none', 1, 1);
                UPDATE items SET qty = qty + 1 WHERE ctid = (SELECT min(ctid) FROM items WHERE order_id <> 500)
                """)
            let report = try await scenario.verify(routes)
            #expect(report.tables.flatMap(\.differences).map(\.kind.rawValue).sorted() == ["extra", "extra", "other"])
        }
    }

    @Test("a filter's rows, and tables that messages choose by their names, each with its own")
    func filtersAndTables() async throws {
        let tables = """
            CREATE TABLE paid (id int PRIMARY KEY, status text); CREATE TABLE vt_a (id int PRIMARY KEY, type text);
            CREATE TABLE vt_b (id int PRIMARY KEY, type text)
            """
        try await Scenario.with(tables) { scenario in
            func message(_ id: Int, _ status: String, _ type: String) -> TestMessage {
                TestMessage(key: "\(id)", value: #"{"id": \#(id), "status": "\#(status)", "type": "\#(type)"}"#)
            }
            let topic = try scenario.topic([
                message(1, "paid", "a"), message(2, "paid", "b"), message(3, "new", "a"), message(1, "new", "a"),
                message(4, "paid", "c"),
            ])
            var paid = Route(topic, "paid", mode: .upsert)
            paid.condition = try RouteCondition("status = 'paid'")
            var chosen = Route(topic, "t", mode: .upsert, label: "routes[1]")
            chosen.routedTable = try parseRoutedTable("vt_${type}")
            chosen.tables = TableList(["vt_a", "vt_b"])
            let routes = [paid, chosen]
            try await scenario.load(routes)
            var report = try await scenario.verify(routes)
            #expect(report.words == [] && report.tables.map(\.rows) == [2, 2, 1], "\(report)")
            #expect(report.tables.map(\.deadLetters) == [0, 1, 1], "no table is vt_c: \(report)")
            try scenario.connection.execute("INSERT INTO paid VALUES (1, 'paid'); DELETE FROM vt_b WHERE id = 2")
            report = try await scenario.verify(routes)
            #expect(report.words == ["extra 1 [0]@3 deleted", "missing 2 [0]@1"])
        }
    }

    @Test("what is compared is what a type takes for the same: numbers, documents, shapes; and texts byte for byte")
    func types() async throws {
        let table = """
            CREATE TABLE t (id int PRIMARY KEY, n numeric, d jsonb, j json, f float8, p point, a text[], u uuid, c char(5), b bytea)
            """
        try await Scenario.with(table) { scenario in
            let topic = try scenario.topic(
                (1...3).map { id in
                    TestMessage(
                        key: nil,
                        value: """
                            {"id": \(id), "n": "1.50", "d": {"a": 1, "b": [1, 2]}, "j": {"x":  1}, "f": "NaN", "p": "(1,2)",
                             "a": ["x", null], "u": "00000000-0000-0000-0000-00000000000A", "c": "ab", "b": "\\\\x01"}
                            """)
                })
            let routes = [Route(topic, "t", mode: .upsert)]
            try await scenario.load(routes)
            #expect(try await scenario.verify(routes).words == [])
            try scenario.connection.execute(
                """
                UPDATE t SET n = 1.5, d = '{"b": [1, 2], "a": 1.0}' WHERE id = 1; UPDATE t SET j = '{"x": 1}' WHERE id = 2;
                UPDATE t SET p = '(1,3)', f = 0, a = '{x}' WHERE id = 3
                """)
            #expect(try await scenario.verify(routes).words == ["other 2 [0]@1 j", "other 3 [0]@2 f p a"])
        }
    }

    // MARK: Dead letters

    @Test(
        "a dead letter is no difference; one that was replayed has to be there, and one that somebody removed is told")
    func deadLetters() async throws {
        let table = "CREATE TABLE t (id int PRIMARY KEY, v int2 CHECK (v < 100), o bigint)"
        try await Scenario.with(table) { scenario in
            let topic = try scenario.topic(
                [#""x""#, "1", "70000", "500", "2"].enumerated().map { id, v in
                    TestMessage(key: nil, value: #"{"id": \#(id), "v": \#(v)}"#)
                })
            let routes = [Route(topic, "t", mode: .upsert)]
            try await scenario.load(routes)
            var report = try await scenario.verify(routes)
            #expect(report.words == [] && report.tables.map(\.deadLetters) == [3] && report.noteWords == [])
            try scenario.connection.execute("ALTER TABLE t ALTER v TYPE int, DROP CONSTRAINT t_v_check")
            // Two of them could be rows by now, and are none.
            report = try await scenario.verify(routes)
            #expect(report.words == [])
            let options = scenario.options(routes)
            try await onThread {
                let replay = try DeadLetterReplay(
                    options, logger: Logger(label: "replay") { _ in SwiftLogNoOpLogHandler() })
                var filter = DeadLetterFilter()
                filter.group = options.group
                _ = try replay.run(filter)
            }
            report = try await scenario.verify(routes)
            #expect(report.words == [] && report.tables.map(\.rows) == [4] && report.tables.map(\.deadLetters) == [1])
            try scenario.connection.execute("DELETE FROM t WHERE id = 3")
            _ = try scenario.connection.query(
                "DELETE FROM loader.dead_letters WHERE consumer_group = $1", [.text(scenario.group)])
            report = try await scenario.verify(routes)
            #expect(report.words == ["missing 3 [0]@3"] && report.noteWords == ["letters_gone 1"])
        }
    }

    @Test(
        "a change of a key whose new row the server refuses deletes nothing in what is expected, as it deleted nothing")
    func changedKeys() async throws {
        try await Scenario.with("CREATE TABLE t (id int PRIMARY KEY, ip inet)") { scenario in
            func event(_ type: String, _ data: String, _ more: String = "") -> TestMessage {
                TestMessage(
                    key: nil, value: #"{"database":"d","table":"t","type":"\#(type)","data":{\#(data)}\#(more)}"#)
            }
            let topic = try scenario.topic([
                event("insert", #""id":1,"ip":"10.0.0.1""#), event("insert", #""id":2,"ip":"10.0.0.2""#),
                event("update", #""id":7,"ip":"10.0.0.7""#, #","old":{"id":2}"#),
                event("update", #""id":8,"ip":"no address""#, #","old":{"id":1}"#),
            ])
            var route = Route(topic, "t", mode: .upsert)
            route.envelopeOptions.form = .maxwell
            try await scenario.load([route])
            #expect(try scenario.rows("SELECT id FROM t ORDER BY id") == ["1", "7"])
            #expect(try scenario.deadLetters().map(\.offset) == [3])
            // Nobody knows any more that it was a letter.
            _ = try scenario.connection.query(
                "DELETE FROM loader.dead_letters WHERE consumer_group = $1", [.text(scenario.group)])
            let report = try await scenario.verify([route])
            #expect(report.words == [] && report.tables.map(\.rows) == [2], "\(report)")
        }
    }
}
