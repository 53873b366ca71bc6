import Kafka
import LoadingFixtures
import Postgres
import Testing

@testable import Loading
@testable import Operating

@Suite("Mends in the loader's words")
struct MendWordsTests {
    private static let partition = TopicPartition(topic: "orders", partition: 3)
    private static let orders = TableName(schema: "public", name: "orders")

    @Test(
        "a position that no loader may decide on has its command, with its coordinates",
        arguments: [
            (
                .takeOver(topic: "orders", isKnown: true),
                "give this loader a group of its own (kafka.group), or take the group over: "
                    + "`loader backfill --topic orders --shift-by 0`"
            ),
            (
                .takeOver(topic: "orders", isKnown: false),
                "give this loader a group of its own (kafka.group), or take the group over: "
                    + "`loader backfill --topic orders --to-earliest`"
            ),
            (
                .restore(partition, group: 42),
                "restore loader.positions, give this loader a group of its own (kafka.group), or go on where the group is: "
                    + "`loader backfill --topic orders --partitions 3 --to-offset 42`"
            ),
            (
                .goOnBehind(partition, Detour(until: 40, resume: 50), hasRest: true),
                "load again what is left: `loader backfill --topic orders --partitions 3 --to-earliest --until-offset 40`, or "
                    + "go on where the partition stood before: `loader backfill --topic orders --partitions 3 --to-offset 50`"
            ),
            (
                .goOnBehind(partition, Detour(until: 40, resume: 50), hasRest: false),
                "go on where the partition stood before: `loader backfill --topic orders --partitions 3 --to-offset 50`"
            ),
            (
                .choose(partition),
                "choose where to go on: `loader backfill --topic orders --partitions 3 --to-earliest` or `--to-latest`, "
                    + "or set kafka.on_lost_offsets to earliest or latest"
            ),
            (
                .stay(partition, at: 50),
                "go on where it stands: `loader backfill --topic orders --partitions 3 --to-offset 50`"
            ),
            (
                .loadBefore(partition, 40),
                "load what is before @40: `loader backfill --topic orders --partitions 3 --to-earliest --until-offset 40`, "
                    + "which doubles nothing of a new topic, and if it was replaced in the midst of traffic leaves out a "
                    + "batch of it at most; or `--to-earliest --allow-duplicates`, which leaves nothing out and may double "
                    + "what is behind"
            ),
            (
                .loadBeforeReset(partition, 40),
                "load what is before them: `loader backfill --topic orders --partitions 3 --to-earliest --until-offset 40`; "
                    + "or accept the doubles with --allow-duplicates"
            ),
            (
                .goOnAt(partition, 42, mayDouble: false),
                "go on where it stands: `loader backfill --topic orders --partitions 3 --to-offset 42`, which leaves nothing "
                    + "out; or `--to-latest`, which leaves out what it holds behind that"
            ),
            (
                .goOnAt(partition, 42, mayDouble: true),
                "go on where it stands: `loader backfill --topic orders --partitions 3 --to-offset 42 --allow-duplicates`, "
                    + "which leaves nothing out and may double what is behind; or `--to-latest`, which leaves out what it "
                    + "holds behind that"
            ),
            (
                .takeBack(partition, to: 42, Detour(until: 50, resume: 60)),
                "take the reset back: `loader backfill --topic orders --partitions 3 --to-offset 42 --until-offset 50`; or use "
                    + "mode ignore or upsert with a key, or accept the doubles with --allow-duplicates"
            ),
            (
                .identify(topics: ["b", "a"]),
                "restore it from a backup; or, as its owner: INSERT INTO loader.ledger (schema_version) VALUES (1); and take "
                    + "the group over: `loader backfill --topic a --shift-by 0`, `loader backfill --topic b --shift-by 0`"
            ),
            (.sayWhereToBegin, "set kafka.auto_offset_reset to earliest or latest"),
        ] as [(Mend.Position, String)])
    func positions(mend: Mend.Position, words: String) { #expect(Mend.position(mend).words == words) }

    @Test(
        "an outage passes by itself, and what helps is said without that where nothing waits for it",
        arguments: [
            ("25006", "lead postgres.url to the primary"), ("55P03", "see who: SELECT pid"),
            ("57014", "raise postgres.statement_timeout"), ("57P03", "see the server's log"),
            ("53300", "raise max_connections"), ("53100", "make room"), ("53200", "see the server's log for which"),
            ("57P01", "bring the server of postgres.url back"),
        ])
    func outages(state: String, help: String) {
        let notice = OutageNotice(PostgresError(.server, sqlState: SQLState(rawValue: state), message: "m"))
        #expect(notice.remedy.contains(help))
        #expect(notice.mend.words == notice.remedy + "; the loader goes on by itself")
    }

    @Test("what the brokers refuse has the mend of its code in place of theirs that are away")
    func brokers() {
        func words(_ code: KafkaErrorCode) -> String {
            OutageNotice(brokers: KafkaError(code: code, operation: "poll")).mend.words
        }
        #expect(words(.transport) == "bring the brokers of kafka.brokers back; the loader goes on by itself")
        #expect(words(.authentication).contains("sasl.password in kafka.properties"))
        #expect(KafkaErrorCode.authenticationMend(libraryVersion: 0x0206_00ff).contains("refused by Apache Kafka 4.0"))
        #expect(!KafkaErrorCode.authenticationMend(libraryVersion: 0x0206_01ff).contains("SCRAM"))
        #expect(words(.ssl) == words(.transport))
        #expect(Mend.letters(.topic("dead", .messageTooLarge)).words.contains("--entity-name dead"))
        let error = KafkaError(code: .topicAuthorizationFailed, operation: "commit", topic: "orders", partition: 3)
        #expect(
            error.told == """
                commit of orders[3] failed: Broker: Topic authorization failed (TOPIC_AUTHORIZATION_FAILED); \
                \(BrokerRefusal.topicRight.mend())
                """)
        #expect(
            KafkaError(code: .none, operation: "poll").told == KafkaError(code: .none, operation: "poll").description)
    }

    @Test(
        "a right to the letters' topic that is lost later is given as the start says, by whose brokers they are",
        arguments: [
            (.kafka, "deploy/kafka/acls.sh does"), (.msk, "deploy/aws/msk-dead-letters-policy.json does"),
            (.eventHubs, "the role Azure Event Hubs Data Sender does"),
        ] as [(BrokerService, String)])
    func letterRights(service: BrokerService, gives: String) {
        for code in [KafkaErrorCode.topicAuthorizationFailed, .clusterAuthorizationFailed] {
            let error = KafkaError(code: code, operation: "produce", topic: "dead")
            let words = OutageNotice(deadLetterTopic: error, "dead", on: service).mend.words
            #expect(words.hasPrefix("give this user WRITE on dead: \(gives)"))
            #expect(
                words.contains("IDEMPOTENT_WRITE") == (code == .clusterAuthorizationFailed && service == .kafka),
                "\(words)")
        }
    }

    @Test(
        "a limit of a transaction is told with what to change",
        arguments: [
            ("57014", "raise postgres.statement_timeout", "triggers, locks, the disk"),
            ("55P03", "end the session", "end that session"), ("53200", "max_locks_per_transaction", "memory"),
            ("53100", "make room", "make room"), ("53300", "max_connections", "max_connections"),
            ("53400", "raise that limit", "temp_file_limit"), ("54000", "log for 54000", "log for 54000"),
        ])
    func limits(state: String, inParts: String, waiting: String) {
        let limit = Limit(PostgresError(.server, sqlState: SQLState(rawValue: state), message: "m"))
        #expect(Mend.database(.less(limit)).words.contains(inParts))
        #expect(Mend.database(.waits(limit)).words.contains(waiting))
        #expect(Mend.database(.waits(limit)).words.hasSuffix("; the loader goes on by itself"))
        #expect(Mend.database(.waitedTooLong(limit)).words.contains("outage_timeout"))
    }

    @Test("fields that nobody takes have the statement and the lines of the route that load them")
    func additions() {
        var additions = Mend.Additions(table: Self.orders, route: "routes[0]")
        additions.columns = [Mend.Additions.Column(name: "coupon", type: "text")]
        #expect(
            Mend.drift(.take(additions)).words
                == "to load it: ALTER TABLE public.orders ADD COLUMN coupon text; it is taken up without a restart")
        additions.columns = [Mend.Additions.Column(name: "select", type: "timestamptz")]
        additions.mappings = [Mend.Additions.Mapping(column: "select", field: "createdAt", unit: .milliseconds)]
        #expect(
            Mend.drift(.take(additions)).words
                == #"to load it: ALTER TABLE public.orders ADD COLUMN "select" timestamptz; then, under `columns` of "#
                + "routes[0]: `select: { from: createdAt, unit: ms }`, and a restart")
        additions.columns = []
        additions.mappings = [Mend.Additions.Mapping(column: "customer_name", field: "customerName")]
        additions.isOtherSpelling = true
        #expect(
            Mend.drift(.take(additions)).words
                == "if that is what it is meant for, under `columns` of routes[0]: `customer_name: customerName`; or "
                + "`names: snake_case` there, which takes both spellings")
    }

    @Test("a field that vanished, or changed, has what comes of it and the next step")
    func drift() {
        func vanished(_ consequence: Mend.Vanished.Consequence, _ successor: String? = nil) -> String {
            Mend.drift(
                .vanished(
                    Mend.Vanished(
                        table: Self.orders, column: "total", consequence: consequence, successor: successor,
                        isOtherSpelling: true))
            ).words
        }
        #expect(vanished(.null(overwrites: false)).hasPrefix("public.orders.total gets NULL: ask who writes the topic"))
        #expect(vanished(.null(overwrites: true)).contains("NULL, also over what is there"))
        #expect(vanished(.deadLetters).hasPrefix("messages without it are dead letters"))
        #expect(vanished(.tablesDefault).hasPrefix("public.orders.total gets its default"))
        #expect(vanished(.routesDefault, "Total").contains("`total: Total`, or `names: snake_case` on the route"))
        func changed(_ type: String?, _ conversion: String? = nil) -> String {
            Mend.drift(
                .changed(
                    Mend.Changed(
                        table: Self.orders, column: "a", evidence: .letters, type: type, conversion: conversion))
            ).words
        }
        #expect(changed("jsonb", "to_jsonb($)").contains("ALTER COLUMN a TYPE jsonb USING to_jsonb(a);"))
        #expect(!changed(nil).contains("ALTER"))
    }

    @Test("an option without effect is named as the route writes it")
    func options() {
        #expect(Mend.routing(.takeOut(.decoding, .column)).words == "take `decode` out")
        #expect(Mend.routing(.takeOut(.onNoFields, .route)).words == "take `on_no_fields` out of the route")
        #expect(Mend.routing(.takeOutOrDropNotNull(.onError)).words == "take `on_error` out, or DROP NOT NULL")
        #expect(
            Mend.routing(.grant(["GRANT DELETE ON t TO r;"], isOfDelete: .tombstones)).words
                == "GRANT DELETE ON t TO r; (or set on_tombstone: skip, which needs no DELETE)")
    }

    @Test("an error is told with its mend, and each problem with its own")
    func told() {
        let problem = SetupProblem(.missingKey, at: "routes[0]", "no key", mend: .routing(.nameKey))
        let error = LoadingError(problems: [problem])
        #expect(!error.description.contains("`key: [column]`"))
        #expect(
            error.told
                == "1 mistake found:\n  - routes[0]: no key; name the key: `key: [column]`, with a unique index on it")
        #expect(error.summary == "1 mistake found; mend each as its line says, and start again")
        #expect(
            LoadingError(.kafka, "it went", mend: .group(.startAgain)).told
                == "it went; start it again; nothing is lost")
    }

    @Test("a group whose coordinator does not let a user in is mended where the brokers' refusal of it is")
    func groupRefusesUser() {
        let words = Mend.group(.standstill(.group, .authentication, nil)).words
        #expect(words.contains(BrokerRefusal.credentials.mend()))
        #expect(!words.contains("see the log"))
    }
}
