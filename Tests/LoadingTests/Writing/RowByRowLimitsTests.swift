import Foundation
import LoadingFixtures
import Postgres
import TestSupport
import Testing

@testable import Loading

/// What rows that go in one by one within the server must leave to others, and what goes on behind them.
@Suite("Rows one by one, and what is none of theirs")
struct RowByRowLimitsTests {
    private func target(
        _ name: String, _ mode: Route.Mode, _ schema: PostgresServer.Schema, _ connection: Connection,
        index: Int = 0, key: [String] = ["id"]
    ) throws -> Target {
        let name = TableName(schema: schema.name, name: name)
        let found = try #require(try Catalog.tables([name], on: connection)[name])
        let route = Route(topics: [.name("orders")], table: name, mode: mode, key: mode == .insert ? nil : key)
        return try Target.compile(route, index: index, table: found).get()
    }

    private func loading(_ batch: Batch, _ connection: Connection) -> CarefulLoading {
        var care = Care()
        for index in 0..<2 { care.triedEach(index, rows: 1, refused: 1) }
        return CarefulLoading(batch: batch, connection: connection, care: care, isJudging: false)
    }

    private func values(_ connection: Connection, _ sql: String) throws -> [String] {
        let result = try connection.query(sql)
        return (0..<result.rowCount).map { result.string($0, 0) ?? "" }
    }

    /// - Returns: the SQLSTATE that the transaction ends with.
    private func refusal(_ batch: Batch, _ target: Target, _ connection: Connection) throws -> SQLState? {
        var loading = loading(batch, connection)
        do throws(TransactionFailure) {
            try loading.load([RowSelection(batch: batch, target: target)])
        } catch {
            guard case .refused(let error) = error else {
                Issue.record("\(error)")
                return nil
            }
            #expect(loading.failuresOfEach == 0 && loading.loaded.deadLetters.isEmpty)
            return error.sqlState
        }
        Issue.record("it went in")
        return nil
    }

    private static let messages = (1...40).map { id -> (key: String?, value: String?) in
        (nil, #"{"id": \#(id), "v": \#(id % 2 == 0 ? -1 : 1)}"#)
    }

    @Test("a statement that takes too long is no row's fault, so the batch is made smaller")
    func timeout() throws {
        try PostgresServer.shared().withSchema { schema in
            let connection = try schema.connect()
            defer { connection.close() }
            try connection.execute(
                """
                CREATE TABLE t (id int PRIMARY KEY, v int CHECK (v >= 0));
                CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$;
                CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.id = 31) EXECUTE FUNCTION slow();
                """)
            let target = try target("t", .upsert, schema, connection)
            try connection.execute(Connection.begin)
            try connection.execute("SET LOCAL statement_timeout = 500")
            #expect(try refusal(Batch.filled(Self.messages, for: target), target, connection) == .queryCanceled)
        }
    }

    @Test("a lock that another session holds is no row's fault")
    func lock() throws {
        try PostgresServer.shared().withSchema { schema in
            let connection = try schema.connect()
            let other = try schema.connect()
            defer {
                other.close()
                connection.close()
            }
            try connection.execute(
                "CREATE TABLE t (id int PRIMARY KEY, v int CHECK (v >= 0)); INSERT INTO t VALUES (31, 0)")
            let target = try target("t", .upsert, schema, connection)
            try other.execute("BEGIN; UPDATE t SET v = 5")
            try connection.execute(Connection.begin)
            try connection.execute("SET LOCAL lock_timeout = 50")
            #expect(
                try refusal(Batch.filled(Self.messages, for: target), target, connection)
                    == SQLState(rawValue: "55P03"))
        }
    }

    @Test("a deadlock is no row's fault: the whole transaction is tried again")
    func deadlock() throws {
        try PostgresServer.shared().withSchema { schema in
            let connection = try schema.connect()
            let watch = try schema.connect()
            defer {
                connection.close()
                watch.close()
            }
            try connection.execute(
                """
                CREATE TABLE t (id int PRIMARY KEY, v int CHECK (v >= 0));
                INSERT INTO t VALUES (100, 0), (31, 0);
                """)
            let target = try target("t", .upsert, schema, connection)
            try connection.execute(Connection.begin)
            try connection.execute("SET LOCAL deadlock_timeout = 50; UPDATE t SET v = 1 WHERE id = 100")
            let other = Thread {
                guard let other = try? schema.connect() else { return }
                // Who looks first is the one that is ended.
                _ = try? other.execute(
                    "BEGIN; SET LOCAL deadlock_timeout = '1h'; UPDATE t SET v = 2 WHERE id = 31; UPDATE t SET v = 2 WHERE id = 100"
                )
                other.close()
            }
            other.start()
            while try values(
                watch,
                "SELECT pid FROM pg_locks WHERE NOT granted AND transactionid IS NOT NULL AND pid IN "
                    + "(SELECT pid FROM pg_stat_activity WHERE query LIKE '%WHERE id = 100' AND pid <> pg_backend_pid())"
            ).isEmpty { usleep(5000) }
            #expect(
                try refusal(Batch.filled(Self.messages, for: target), target, connection)
                    == SQLState(rawValue: "40P01"))
            try connection.execute("ROLLBACK")
            while !other.isFinished { usleep(5000) }
        }
    }

    @Test("rows that a function refuses with the server's own codes are looked for, by tables that are there")
    func searchedBehind() throws {
        try PostgresServer.shared().withSchema { schema in
            let connection = try schema.connect()
            defer { connection.close() }
            try connection.execute(
                """
                CREATE TABLE t (id int PRIMARY KEY, v int CHECK (v >= 0));
                CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '57014'; END $$;
                CREATE TRIGGER no BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.v = 9) EXECUTE FUNCTION no();
                """)
            let target = try target("t", .upsert, schema, connection)
            let messages = (0..<1200).map { id -> (key: String?, value: String?) in
                (nil, #"{"id": \#(id), "v": \#(id == 700 ? 9 : id % 5 == 0 ? -1 : 1)}"#)
            }
            let batch = Batch.filled(messages, for: target)
            try connection.execute(Connection.begin)
            var loading = loading(batch, connection)
            try loading.load([RowSelection(batch: batch, target: target)])
            #expect(loading.failuresOfEach > 0)
            #expect(loading.loaded.deadLetters.count == 240)
            #expect(loading.loaded.deadLetters.filter { $0.sqlState == .queryCanceled }.map(\.message) == [700])
            #expect(try values(connection, "SELECT count(*)::text FROM t") == ["960"])
        }
    }

    @Test("rows wait for what another target loads, whatever else is refused beside them", arguments: [true, false])
    func parents(isTriggered: Bool) throws {
        try PostgresServer.shared().withSchema { schema in
            let connection = try schema.connect()
            defer { connection.close() }
            try connection.execute(
                """
                CREATE TABLE parents (pid int PRIMARY KEY, pv int CHECK (pv >= 0));
                CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents, v int CHECK (v >= 0));
                CREATE FUNCTION same() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
                """)
            // The server cannot be asked then which rows refer to nothing.
            if isTriggered {
                try connection.execute(
                    "CREATE TRIGGER same BEFORE INSERT ON children FOR EACH ROW EXECUTE FUNCTION same()")
            }
            var targets = [
                try target("children", .upsert, schema, connection),
                try target("parents", .upsert, schema, connection, index: 1, key: ["pid"]),
            ]
            try Target.findParents(&targets, LoadingOptions.made, on: connection)
            let messages = (0..<2000).map { number -> (key: String?, value: String?) in
                // Every fifth parent is refused, and every fourth child.
                number < 1000
                    ? (nil, #"{"id": \#(number), "parent": \#(number), "v": \#(number % 4 == 0 ? -1 : 1)}"#)
                    : (nil, #"{"pid": \#(number - 1000), "pv": \#(number % 5 == 0 ? -1 : 1)}"#)
            }
            let batch = Batch.filled(messages, for: targets)
            try connection.execute(Connection.begin)
            var loading = loading(batch, connection)
            try loading.load(targets.map { RowSelection(batch: batch, target: $0) })
            #expect(try values(connection, "SELECT count(*)::text FROM parents") == ["800"])
            #expect(try values(connection, "SELECT count(*)::text FROM children") == ["600"])
            #expect(loading.loaded.rows == 1400 && loading.loaded.deadLetters.count == 600)
            #expect(loading.loaded.deadLetters.count { $0.sqlState == .foreignKeyViolation } == 150)
        }
    }

    @Test("a row that finds its parent late does not set back the later ones of its key, however it was found")
    func lateParent() throws {
        try PostgresServer.shared().withSchema { schema in
            let connection = try schema.connect()
            defer { connection.close() }
            try connection.execute(
                """
                CREATE TABLE children (id int PRIMARY KEY, parent int, v int);
                CREATE TABLE parents (pid int PRIMARY KEY, child int REFERENCES children);
                ALTER TABLE children ADD FOREIGN KEY (parent) REFERENCES parents;
                """)
            var targets = [
                try target("children", .upsert, schema, connection),
                try target("parents", .upsert, schema, connection, index: 1, key: ["pid"]),
            ]
            try Target.findParents(&targets, LoadingOptions.made, on: connection)
            var messages: [(key: String?, value: String?)] = [(nil, #"{"id": 1, "parent": 1, "v": 1}"#)]
            // In another chunk.
            messages += (2...5000).map { (nil, #"{"id": \#($0), "parent": null, "v": 0}"#) }
            messages.append((nil, #"{"id": 1, "parent": null, "v": 2}"#))
            messages.append((nil, #"{"id": 9999, "parent": 99, "v": 0}"#))
            // It waits for the children.
            messages.append((nil, #"{"pid": 1, "child": 4999}"#))
            let batch = Batch.filled(messages, for: targets)
            try connection.execute(Connection.begin)
            var loading = CarefulLoading(batch: batch, connection: connection, care: Care(), isJudging: false)
            try loading.load(targets.map { RowSelection(batch: batch, target: $0) })
            #expect(try values(connection, "SELECT v::text FROM children WHERE id = 1") == ["2"])
            #expect(loading.loaded.deadLetters.map(\.message) == [5001])
        }
    }

    @Test("values that their columns cannot hold become NULL where the route says so, and the others letters")
    func nulled() throws {
        try PostgresServer.shared().withSchema { schema in
            let connection = try schema.connect()
            defer { connection.close() }
            try connection.execute("CREATE TABLE t (id int, ip inet, net cidr)")
            let name = TableName(schema: schema.name, name: "t")
            let found = try #require(try Catalog.tables([name], on: connection)[name])
            var route = Route(topics: [.name("orders")], table: name, mode: .insert)
            route.columns = [Route.Column(name: "ip", onError: .null)]
            let target = try Target.compile(route, index: 0, table: found).get()
            let messages = (0..<600).map { id -> (key: String?, value: String?) in
                let ip = id % 3 == 0 ? "nowhere \(id % 2)" : "10.0.0.1"
                return (nil, #"{"id": \#(id), "ip": "\#(ip)", "net": "\#(id % 7 == 0 ? "?" : "10.0.0.0/8")"}"#)
            }
            let batch = Batch.filled(messages, for: target)
            try connection.execute(Connection.begin)
            var loading = loading(batch, connection)
            try loading.load([RowSelection(batch: batch, target: target)])
            #expect(loading.failuresOfEach == 0)
            let refused = (0..<600).filter { $0 % 7 == 0 }
            #expect(loading.loaded.deadLetters.map(\.message) == refused)
            #expect(loading.loaded.deadLetters.allSatisfy { $0.column == "net" && $0.sqlState?.rawValue == "22P02" })
            let whole = Set(0..<600).subtracting(refused).filter { !$0.isMultiple(of: 3) }.count
            let counts = try values(connection, "SELECT count(*) || ' ' || count(ip) FROM t")
            #expect(counts == ["\(600 - refused.count) \(whole)"])
        }
    }

    @Test("rows beside a value that its column cannot hold are sent once, however many such values there are")
    func sentOnce() throws {
        try PostgresServer.shared().withSchema { schema in
            let connection = try schema.connect()
            defer { connection.close() }
            try connection.execute(
                "CREATE DOMAIN small AS int CHECK (VALUE < 100); CREATE TABLE t (id int PRIMARY KEY, ip inet, v small)")
            let target = try target("t", .upsert, schema, connection)
            let messages = (0..<500).map { id -> (key: String?, value: String?) in
                (nil, #"{"id": \#(id), "ip": "\#(id % 3 == 0 ? "?" : "::1")", "v": \#(id % 4 == 0 ? 100 : 1)}"#)
            }
            let batch = Batch.filled(messages, for: target)
            try connection.execute(Connection.begin)
            var loading = loading(batch, connection)
            try loading.load([RowSelection(batch: batch, target: target)])
            let refused = (0..<500).filter { $0 % 3 == 0 || $0 % 4 == 0 }
            #expect(loading.loaded.deadLetters.map(\.message) == refused)
            #expect(loading.loaded.deadLetters.allSatisfy { $0.column == ($0.message % 3 == 0 ? "ip" : "v") })
            // The bad ones too stand in the stage, where one COPY has brought them all.
            let sent = try values(
                connection,
                "SELECT n_tup_ins::text FROM pg_stat_xact_all_tables WHERE relname = 'loader_rows_0' AND n_tup_ins > 0")
            #expect(sent == ["500"])
        }
    }

    @Test("columns of one domain are told apart, and what is made for that is there afterwards")
    func alikeDomains() throws {
        try PostgresServer.shared().withSchema { schema in
            let connection = try schema.connect()
            defer { connection.close() }
            try connection.execute(
                """
                CREATE DOMAIN small AS int CHECK (VALUE < 100);
                CREATE TABLE t (id int, a small DEFAULT 1, b small DEFAULT 1, at timestamptz DEFAULT clock_timestamp());
                CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '57014'; END $$;
                CREATE TRIGGER no BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.id = 701) EXECUTE FUNCTION no();
                """)
            let name = TableName(schema: schema.name, name: "t")
            let found = try #require(try Catalog.tables([name], on: connection)[name])
            var route = Route(topics: [.name("orders")], table: name, mode: .insert)
            route.columns = [Route.Column(name: "a", onError: .null)]
            let target = try Target.compile(route, index: 0, table: found).get()
            let messages = (0..<1200).map { id -> (key: String?, value: String?) in
                var members = [#""id": \#(id)"#]
                if id % 4 == 0 { members.append(#""a": 100"#) }
                if id % 7 == 0 { members.append(#""b": 100"#) }
                if id % 2 == 0 { members.append(#""at": "2026-01-01T00:00:00Z""#) }
                return (nil, "{\(members.joined(separator: ", "))}")
            }
            let batch = Batch.filled(messages, for: target)
            try connection.execute(Connection.begin)
            var loading = loading(batch, connection)
            try loading.load([RowSelection(batch: batch, target: target)])
            let letters = loading.loaded.deadLetters
            let refused = (0..<1200).filter { (id: Int) -> Bool in id % 7 == 0 || id == 701 }
            #expect(letters.map(\.message) == refused)
            for letter in letters where letter.message != 701 { #expect(letter.column == "b") }
            let whole = Set(0..<1200).subtracting(refused).filter { !$0.isMultiple(of: 4) }.count
            let counts = try values(connection, "SELECT count(*) || ' ' || count(a) FROM t")
            #expect(counts == ["\(1200 - refused.count) \(whole)"])
        }
    }

    @Test("of where the server was the block's own statement and line are left out, in whatever language they are told")
    func context() {
        let statement = #"INSERT INTO "a""b" SELECT 1"#
        let own = "PL/pgSQL function inline_code_block line 7 at SQL statement"
        for (opening, closing) in [("\"", "\""), ("»", "«"), ("« ", " »"), ("「", "」"), ("", "")] {
            let frame = "SQL \(opening)\(statement)\(closing)\n\(own)"
            #expect(RowByRow.context(frame, without: ["DELETE", statement]) == nil)
            #expect(RowByRow.context("in f()\nat g()\n\(frame)", without: [statement]) == "in f()\nat g()")
        }
        #expect(RowByRow.context("in f()\n\(own)", without: [statement]) == "in f()")
        #expect(RowByRow.context(own, without: [statement]) == nil)
    }

    @Test("that PL/pgSQL was at a RAISE is read from where it was, whatever its functions are named and said")
    func raise() {
        #expect(RowByRow.isOfRaise("PL/pgSQL function f() line 3 at RAISE\nSQL statement \"SELECT 1\""))
        #expect(RowByRow.isOfRaise("PL/pgSQL-Funktion \"a\nb\"() Zeile 3 bei RAISE"))
        #expect(!RowByRow.isOfRaise("PL/pgSQL function \"RAISE\"() line 3 at SQL statement"))
        #expect(
            !RowByRow.isOfRaise("PL/pgSQL function f() line 3 at SQL statement\nPL/pgSQL function g() line 1 at RAISE"))
    }
}

extension LoadingOptions {
    fileprivate static var made: LoadingOptions {
        LoadingOptions(brokers: "localhost:1", group: "group", database: .init(url: ""), routes: [])
    }
}
