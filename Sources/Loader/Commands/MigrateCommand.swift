import ArgumentParser
import Foundation
import Postgres

struct MigrateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Create and change the database's tables by plain SQL files.",
        discussion: """
            The files are migrations/NNNN_name.sql in the format of dbmate, and schema_migrations records them as dbmate \
            does, so that either tool continues the other's work. Where there is no directory `migrations`, the loader's \
            own schema, which `loader run` needs, is taken from the program itself.

            EXAMPLES:
              loader migrate up
              loader migrate status --dir db/migrations --exit-code
            """,
        subcommands: [Up.self, Down.self, Status.self, New.self],
        defaultSubcommand: Status.self)

    /// Which files, and which database.
    struct Arguments: ParsableArguments {
        static let defaultDirectory = "migrations"

        @OptionGroup var configuration: ConfigurationArguments

        @Option(
            help: ArgumentHelp(
                "Where the files are. Default: \(defaultDirectory), if it is here, else as with --built-in.",
                valueName: "directory"))
        var dir: String?

        @Flag(help: "Use the loader's own schema, which the program carries, instead of a directory.")
        var builtIn = false

        @Option(
            help: ArgumentHelp(
                "How long a statement waits for a lock on a table before the migration is given up.",
                valueName: "seconds"))
        var lockTimeout = 10

        @Option(
            help: ArgumentHelp(
                "How long to wait for another migration that is under way, before ending with status 69.",
                valueName: "seconds"))
        var wait = 300

        func validate() throws {
            if builtIn, dir != nil { throw ValidationError("--dir and --built-in exclude each other.") }
            guard (1...86400).contains(lockTimeout), (1...86400).contains(wait) else {
                throw ValidationError("--lock-timeout and --wait are seconds from 1 to 86400.")
            }
        }

        func migrations() throws(MigrationError) -> MigrationSet {
            if let dir { return try MigrationSet(directory: dir) }
            if !builtIn, FileManager.default.fileExists(atPath: Self.defaultDirectory) {
                return try MigrationSet(directory: Self.defaultDirectory)
            }
            return try .builtIn()
        }

        /// Runs `body`, or prints why it could not and ends with the status that fits.
        func run(_ body: (Migrator) throws(MigrationError) -> Void) throws {
            let database = try configuration.load(only: ["postgres"]).loading.database
            do throws(MigrationError) {
                let migrator = Migrator(
                    migrations: try migrations(),
                    options: ConnectionOptions(
                        url: database.url, applicationName: "loader migrate", connectTimeout: database.connectTimeout),
                    lockTimeout: .seconds(lockTimeout), turnTimeout: .seconds(wait))
                try body(migrator)
            } catch {
                throw MigrateCommand.report(error)
            }
        }
    }

    /// Prints the error; the result is to be thrown.
    static func report(_ error: MigrationError) -> ExitCode {
        StandardError.shared.write(line: "\(error)")
        return error.exitStatus.code
    }

    static func takenFor(_ file: String, _ other: String) -> String {
        "\(file) is not run: its number is recorded for \(other). If it is not the same file under a new name, give it a "
            + "number of its own."
    }

    static func report(_ event: Migrator.Event) {
        switch event {
        case .applied(let file, let time): print("Applied \(file) in \(time.inMilliseconds) ms")
        case .rolledBack(let file, let time): print("Rolled back \(file) in \(time.inMilliseconds) ms")
        case .takenFor(let file, let other): StandardError.shared.write(line: takenFor(file, other))
        }
    }
}

extension MigrateCommand {
    struct Up: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Apply every pending migration.",
            discussion: """
                Each file runs in a transaction of its own, in the order of the names. If one fails, nothing of it takes \
                effect, the ones before it stay, and the exit status is 78.

                EXAMPLES:
                  loader migrate up
                  DATABASE_URL=postgresql://owner@db/shop loader migrate up --built-in
                """)

        @OptionGroup var arguments: Arguments

        func run() throws {
            try arguments.run { migrator throws(MigrationError) in
                var count = 0
                try migrator.up { event in
                    if case .applied = event { count += 1 }
                    MigrateCommand.report(event)
                }
                if count == 0 { print("Nothing to do: all of \(migrator.migrations.origin) is applied") }
                if try migrator.migrations == .builtIn() { try migrator.checkLedger() }
            }
        }
    }

    struct Down: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take back the last migration applied.",
            discussion: """
                EXAMPLES:
                  loader migrate down
                  loader migrate down --dir db/migrations
                """)

        @OptionGroup var arguments: Arguments

        func run() throws {
            try arguments.run { migrator throws(MigrationError) in try migrator.down(MigrateCommand.report) }
        }
    }

    struct Status: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show which migrations are applied.",
            discussion: """
                Only reads. The exit status is 0, also where migrations are pending, unless --exit-code asks for 1.

                EXAMPLES:
                  loader migrate status
                  loader migrate status --exit-code || loader migrate up
                """)

        @OptionGroup var arguments: Arguments

        @Flag(help: "End with status 1 if migrations are pending, as dbmate does.")
        var exitCode = false

        func run() throws {
            var pending = 0
            try arguments.run { migrator throws(MigrationError) in
                let status = try migrator.status()
                pending = status.pending.count
                for file in migrator.migrations.files {
                    print(status.pending.contains(file.name) ? "[ ] \(file.name)" : "[X] \(file.name)")
                }
                for (file, other) in status.takenFor.sorted(by: { $0.key < $1.key }) {
                    print("[!] " + MigrateCommand.takenFor(file, other))
                }
                for version in status.unknown {
                    print("[?] \(version) is applied, and has no file in \(migrator.migrations.origin)")
                }
                print("\nApplied: \(status.applied.count)\nPending: \(pending)")
            }
            if exitCode, pending > 0 { throw ExitCode(1) }
        }
    }

    struct New: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write an empty migration with the next number.",
            discussion: """
                EXAMPLES:
                  loader migrate new "add order notes"
                  loader migrate new add_index --dir db/migrations
                """)

        @Argument(help: "What it does, in a few words.")
        var name: String

        @Option(help: ArgumentHelp("Where to write it; made if it is not there.", valueName: "directory"))
        var dir = Arguments.defaultDirectory

        func run() throws {
            do {
                try FileManager.default.createDirectory(atPath: dir, withIntermediateDirectories: true)
                let names = try FileManager.default.contentsOfDirectory(atPath: dir)
                // Also after the loader's own: they are recorded in the same table, and may be applied already.
                let taken = names + (try MigrationSet.builtIn().files.map(\.name))
                let file = dir + "/" + (try MigrationSet.nextName(after: taken, called: name, now: Date()))
                try Data(MigrationSet.template.utf8).write(to: URL(filePath: file), options: .withoutOverwriting)
                print(file)
            } catch let error as MigrationError {
                throw MigrateCommand.report(error)
            } catch {
                throw MigrateCommand.report(
                    MigrationError(
                        .unreadableDirectory, message: "no file can be written in \(dir)",
                        mend: "Check that directory's permissions."))
            }
        }
    }
}

extension Duration {
    fileprivate var inMilliseconds: Int64 {
        components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000
    }
}
