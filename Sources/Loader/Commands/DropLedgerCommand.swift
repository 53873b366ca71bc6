import ArgumentParser
import Kafka
import Loading
import Operating
import Postgres

extension MigrateCommand {
    struct DropLedger: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "drop-ledger",
            abstract: "Take the loader's own tables away: all positions and dead letters.",
            discussion: """
                It shows what would be lost, and refuses while a loader is at work in the database or, where the \
                configuration names brokers that answer, while a group has members. On a terminal it wants the database's \
                name typed, elsewhere --yes. Your own tables stay, and so do the groups' offsets in Kafka.

                EXAMPLES:
                  loader migrate drop-ledger
                  DATABASE_URL=postgresql://owner@db/scratch loader migrate drop-ledger --yes
                """)

        @OptionGroup var configuration: ConfigurationArguments

        @Option(
            help: ArgumentHelp("How long to wait for a lock on the tables before giving up.", valueName: "seconds"))
        var lockTimeout = 10

        @Flag(help: "Do not ask.")
        var yes = false

        func validate() throws {
            guard (1...86400).contains(lockTimeout) else {
                throw ValidationError("--lock-timeout is seconds from 1 to 86400.")
            }
        }

        func run() throws {
            let options = try configuration.load(only: ["postgres", "kafka.properties"]).loading
            do throws(MigrationError) {
                let migrator = Migrator(
                    migrations: try .builtIn(), options: MigrateCommand.connectionOptions(options),
                    lockTimeout: .seconds(lockTimeout), turnTimeout: .seconds(300))
                guard let removal = try migrator.surveyLedger() else {
                    print("There is nothing of the loader's in this database.")
                    return
                }
                for line in Self.lines(removal) { print(line) }
                let active = removal.sessions.map(\.description) + Self.members(removal, options)
                guard active.isEmpty else { throw LedgerRemoval.active(active) }
                try confirm(removal)
                let isGone = try migrator.dropLedger()
                print(
                    isGone
                        ? "The schema loader is dropped."
                        : "The loader's tables are dropped; the schema loader stays, for it is not empty or not yours.")
            } catch {
                throw MigrateCommand.report(error)
            }
        }

        private func confirm(_ removal: LedgerRemoval) throws(MigrationError) {
            switch Confirmation.ask(yes, word: removal.database, to: "drop them") {
            case .given: return
            case .refused:
                throw MigrationError(
                    .ledgerStays, message: "that is not the name of the database",
                    mend: "Nothing was dropped. Type it, or use --yes.")
            case .missing:
                throw MigrationError(
                    .ledgerStays, message: "this cannot be undone, and there is no terminal to ask on",
                    mend: "Nothing was dropped. If you mean it, run it again with --yes.")
            }
        }

        /// What would be lost.
        static func lines(_ removal: LedgerRemoval) -> [String] {
            var lines = [
                "Database \(removal.database), ledger \(removal.ledgerID ?? "without its row"). What would be lost:",
                "",
            ]
            let rows =
                [["group", "topics", "partitions", "last loaded", "dead letters"]]
                + removal.groups.map { group in
                    [
                        group.name, "\(group.topics)", "\(group.partitions)", group.lastLoaded ?? "-",
                        "\(group.deadLetters)",
                    ]
                }
            lines +=
                removal.groups.isEmpty ? ["no position and no dead letter"] : TextTable.lines(rows, numbers: [1, 2, 4])
            lines += [
                "",
                "Without its position a group that goes on finds another database's mark on its offsets, and stops; "
                    + "`loader backfill` says where it begins.",
            ]
            return lines
        }

        /// The members of the groups, where brokers are configured and answer.
        private static func members(_ removal: LedgerRemoval, _ options: LoadingOptions) -> [String] {
            do throws(KafkaError) { return try removal.members(options) } catch {
                StandardError.shared.write(
                    line:
                        "The brokers cannot be asked for the groups' members (\(error.code.name)), so only sessions in "
                        + "the database were looked for.")
                return []
            }
        }
    }
}
