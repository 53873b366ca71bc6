import Foundation
import Testing

/// Whoever writes a new command into a message has it walked, or says why not.
@Suite("Mends, listed")
struct MendListTests {
    /// What becomes of a command in the loader's words: the test that types it, or why none does.
    private enum Fate {
        case walked(String)
        case not(String)
    }

    /// A command or statement in a file's texts, as it stands there, and how often.
    private struct Said: Hashable, CustomStringConvertible {
        var file: String
        var command: String
        var count: Int

        init(_ file: String, _ command: String, _ count: Int) {
            (self.file, self.command, self.count) = (file, command, count)
        }

        var description: String { "\(file): \(command) (\(count) times)" }
    }

    private static let fates: [Said: Fate] = [
        Said("Backfill.swift", "loader status", 1): .not("shows what there is"),
        Said("Asking.swift", "loader migrate up", 1): .walked("MendTests.missingLedger"),
        Said("ConnectionRefusal+Mend.swift", "GRANT CONNECT ON DATABASE name TO role", 1): .not(
            "with names of yours; LeastPrivilegeTests.needed types it with its own"),
        Said("BuiltInMigrations.swift", "loader dead-letters", 1): .not("a comment in the database"),
        Said("BuiltInMigrations.swift", "loader migrate", 2): .not("a comment in the database"),
        Said("CheckCommand.swift", "loader run", 1): .not("help"),
        Said("ConfigurationEnvironment.swift", "loader config --reference", 2): .walked("MendTests.reference"),
        Said("ConfigurationReference.swift", "loader config", 1): .not("a page of documentation"),
        Said("ConfigurationReference.swift", "loader config --reference", 1): .not("a page of documentation"),
        Said("DeadLettersCommand.swift", "GRANT SELECT, INSERT, UPDATE, DELETE ON loader.dead_letters TO ", 1): .walked(
            "MendTests.deleteRight"),
        Said("DeadLettersCommand.swift", "loader dead-letters list", 4): .not("help"),
        Said("DeadLettersCommand.swift", "loader migrate up", 1): .walked("MendTests.missingLedger"),
        Said("DeadLettersText.swift", #"loader dead-letters show \(letters[0].id)"#, 1): .walked(
            "MendTests.deadLetters"),
        Said("DemoCommand.swift", "loader demo", 3): .not("no mend"),
        Said("DemoChangesCommand.swift", "loader demo", 1): .not("no mend"),
        Said("Mend+Drift.swift", #"ALTER TABLE \(table.sql) ALTER COLUMN \(name) TYPE \(type)\(using); "#, 1): .not(
            "an offer that nothing waits for"),
        Said("Mend+Drift.swift", #"ALTER TABLE \(table.sql) \(additions.joined(separator: "#, 1): .walked(
            "DriftTests.newField"),
        Said("Mend+Drift.swift", "loader dead-letters list --since 1h", 1): .not("shows what there is"),
        Said("DropLedgerCommand.swift", "loader backfill", 1): .not(
            "points to a page of help; the start that follows names the command"),
        Said(
            "LedgerSchema.swift",
            #"GRANT USAGE ON SCHEMA loader TO \(role); GRANT SELECT ON loader.ledger TO \(role);"#, 1): .not(
                "Preflight says it before, and better: MendTests.missingRights"),
        Said("LedgerSchema.swift", "INSERT INTO loader.ledger ", 1): .not(
            "of all groups, so without their topics: a start has them, MendTests.lostIdentity"),
        Said("LedgerSchema.swift", "loader backfill --topic … --shift-by 0", 1): .not(
            "of all groups, so without their topics: a start has them, MendTests.lostIdentity"),
        Said("LedgerSchema.swift", "loader migrate up", 2): .walked("MigrateCommandTests.upMakesTheLedger"),
        Said("Mend+Positions.swift", "INSERT INTO loader.ledger (schema_version) VALUES (1);", 1): .walked(
            "MendTests.lostIdentity"),
        Said(
            "Mend+Positions.swift",
            #"loader backfill --topic \(partition.topic) --partitions \(partition.partition) \(destination)"#, 1):
            .walked("MendTests.lostOffsets"),
        Said("Mend+Positions.swift", #"loader backfill --topic \(topic) \(destination)"#, 1): .walked(
            "MendTests.otherLedger"),
        Said("MigrateCommand.swift", "loader migrate", 1): .not("help"),
        Said("MigrateCommand.swift", "loader migrate drop-ledger", 1): .not("help"),
        Said("MigrateCommand.swift", "loader run", 1): .not("help"),
        Said("MigrationPlan.swift", "loader migrate drop-ledger", 2): .walked("DropLedgerTests.running"),
        Said("MigrationPlan.swift", #"loader migrate up --applied \(taken.file)"#, 1): .walked(
            "MendTests.appliedElsewhere"),
        Said("Migrator.swift", "loader migrate status", 1): .not("shows what there is"),
        Said("Verification.swift", #"GRANT TEMPORARY ON DATABASE \(database) TO \(role);"#, 1): .walked(
            "VerifyCommandTests.missingRights"),
        Said("Verification.swift", #"GRANT USAGE ON SCHEMA \(quoteIdentifier($0)) TO \(role);"#, 1): .walked(
            "VerifyCommandTests.missingRights"),
        Said("Verification.swift", #"GRANT SELECT ON \($0) TO \(role);"#, 1): .walked(
            "VerifyCommandTests.missingRights"),
        Said("DifferenceQuery.swift", #"CREATE UNIQUE INDEX ON \(twin.quoted) (\(target.indexedKey))"#, 1): .not(
            "typed by the loader itself, for a table of its session"),
        Said("VerifiedSpan.swift", "loader status", 2): .not("shows what there is"),
        Said("Mend+Letters.swift", "loader dead-letters list", 1): .walked("MendTests.deadLetters"),
        Said("MissingRights.swift", #"GRANT USAGE ON SCHEMA \(quoteIdentifier(schema)) TO \(grantee);"#, 1): .walked(
            "MendTests.missingRights"),
        Said("MissingRights.swift", #"GRANT \(names.joined(separator: "#, 1): .walked("MendTests.missingRights"),
        Said("Mend+Letters.swift", "loader dead-letters list --reason ", 1): .not("shows what there is"),
        Said("Mend+Letters.swift", #"loader dead-letters replay --sqlstate \(SQLState.foreignKeyViolation)"#, 1):
            .walked("MendTests.givenUp"),
        Said("OtherGroups.swift", "loader run --new-group", 1): .walked("MendTests.newGroup"),
        Said("ParentLookup.swift", "loader ordinal", 1): .not("names of columns"),
        Said("Mend+Database.swift", "loader migrate up", 1): .not(
            "takes a ledger that goes while it runs; as MendTests.missingLedger has it"),
        Said("PositionReport.swift", "loader migrate up", 1): .walked("MendTests.missingLedger"),
        Said(
            "Preflight.swift",
            #"ALTER ROLE \(MissingRights.grantee(role)) SET search_path = public; or load as a role of another name"#, 1
        ): .walked("MendTests.searchPath"),
        Said("Preflight.swift", #"ALTER TABLE \(target.name.quoted) SET LOGGED;"#, 1): .walked("MendTests.unlogged"),
        Said("Preflight.swift", #"GRANT TEMPORARY ON DATABASE \(quoteIdentifier(may.string(0, 1) ?? "#, 1): .walked(
            "MendTests.missingRights"),
        Said("Preflight.swift", #"GRANT USAGE ON SCHEMA \(quoteIdentifier(table.name.schema ?? "#, 1): .walked(
            "MendTests.missingRights"),
        Said("Preflight.swift", #"GRANT \(names) ON \(table.name.quoted) TO \(grantee);"#, 1): .walked(
            "MendTests.missingRights"),
        Said("Mend+Routing.swift", #"loader infer --topic \($0) --table \(table) --write"#, 1): .walked(
            "MendTests.missingTable"),
        Said(
            "Preflight.swift",
            #"GRANT DELETE ON \(name) TO \(MissingRights.grantee(role)); or set dead_letters.wait_for_parent: 0s"#, 1):
            .not(
                "a warning; the same right as in MendTests.deleteRight"),
        Said("Mend+Routing.swift", "loader migrate up", 1): .walked("MendTests.missingTable"),
        Said("Preflight.swift", "loader migrate up", 3): .walked("MendTests.missingLedger"),
        Said("RouteTrial.swift", "GRANT the role that right, or each row will be refused", 1): .not(
            "words, and no statement"),
        Said("StartCheck.swift", #"loader backfill --topic \(topics.first ?? "#, 1): .walked(
            "MendTests.resetWithoutLedger"),
        Said("StatusDocument+State.swift", "loader dead-letters list --since 10m", 1): .not("shows what there is"),
        Said("StatusDocument+State.swift", "loader status", 1): .not("shows what there is"),
        Said("StatusDocument.swift", "loader dead-letters list", 1): .not("shows what there is"),
        Said("StatusText.swift", "loader dead-letters list", 1): .walked("MendTests.deadLetters"),
        Said("DeadLetterMend.swift", #"loader dead-letters purge --reason \(reason)"#, 1): .walked(
            "MendTests.deleteRight"),
        Said("DeadLetterMend.swift", "loader dead-letters replay", 1): .walked("MendTests.deadLetters"),
        Said("DeadLetterMend.swift", "loader dead-letters replay --overwrite", 1): .walked(
            "DeadLetterReplayTests.unknown"),
        Said("TableProposalText.swift", "loader infer", 1): .not("a remark in a file"),
        Said(
            "Mend+Routing.swift",
            #"CREATE UNIQUE INDEX ON \(table.quoted) (\(key.map(quoteIdentifier).joined(separator: "#, 1): .walked(
                "MendTests.missingIndex"),
        Said("StageMerge.swift", #"loader nulls \(word)"#, 1): .not("names of columns"),
        Said("KeyTable.swift", "loader ordinal", 1): .not("names of columns"),
        Said("KeyTable.swift", "loader always", 1): .not("names of columns"),
        Said("SetReplacement.swift", "loader ordinal", 1): .not("names of columns"),
        Said("VersionTable.swift", "loader ordinal", 1): .not("names of columns"),
        Said("RowByRow.swift", "loader row", 1): .not("names of columns"),
        Said("TrialCopy.swift", #"ALTER TABLE \(Self.stage) "#, 1): .not("a statement of its own"),
        Said("BrokerRefusal+Mend.swift", "loader check", 2): .not("shows what there is"),
        Said("Mend+Group.swift", "loader check", 2): .not("shows what there is"),
        Said("Mend+Letters.swift", "loader check", 2): .not("shows what there is"),
        Said("Mend+Words.swift", "loader version", 1): .not("shows what there is"),
    ]

    @Test("every command that the loader names is typed by a test, or has a reason beside it")
    func all() throws {
        let found = try Self.commands()
        #expect(found.count > 20, "the sources are not where they were")
        let unknown = found.subtracting(Self.fates.keys).map(\.description).sorted()
        #expect(unknown.isEmpty, "walk them in MendTests, or say why not: \(unknown)")
        let gone = Set(Self.fates.keys).subtracting(found).map(\.description).sorted()
        #expect(gone.isEmpty, "no longer said: \(gone)")
    }

    @Test("the walks that are named are there")
    func walks() throws {
        let tests = try Self.files(in: "Tests").map { try String(contentsOf: $0, encoding: .utf8) }.joined()
        for case .walked(let name) in Self.fates.values {
            let parts = name.split(separator: ".").map(String.init)
            #expect(tests.contains("struct \(parts[0])") && tests.contains("func \(parts[1])("), "\(name)")
        }
    }

    /// The commands in the sources' texts.
    private static func commands() throws -> Set<Said> {
        let command = /["`](loader [a-z][^"`]*)/
        let statement =
            /"[^"]*?((?:GRANT|CREATE UNIQUE INDEX|ALTER TABLE|ALTER ROLE|INSERT INTO loader)[^"]*)/
        // What a regular expression would look for a long time.
        let words = ["loader ", "GRANT", "CREATE UNIQUE", "ALTER", "INSERT INTO"]
        var found: Set<Said> = []
        for file in try files(in: "Sources") {
            var counts: [String: Int] = [:]
            for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
                let text = line.trimmingCharacters(in: .whitespaces)
                if text.hasPrefix("//") || !words.contains(where: { text.contains($0) }) { continue }
                for match in text.matches(of: command) { counts[String(match.1), default: 0] += 1 }
                for match in text.matches(of: statement) { counts[String(match.1), default: 0] += 1 }
            }
            found.formUnion(counts.map { Said(file.lastPathComponent, $0.key, $0.value) })
        }
        return found
    }

    private static func files(in directory: String) throws -> [URL] {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: directory)
        let all = try #require(FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil))
        return all.compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }
    }
}
