import ArgumentParser
import Foundation
import Loading
import Operating
import Postgres

struct MigrateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate",
        abstract: "Create and change the database's tables by plain SQL files.",
        discussion: """
            The loader's own schema, which `loader run` needs, comes with the program. Your files are migrations/NNNN_name.sql \
            in the format of dbmate, and schema_migrations records all of them as dbmate does, so that either tool continues \
            the other's work.

            EXAMPLES:
              loader migrate up
              loader migrate status --dir db/migrations --exit-code
            """,
        subcommands: [Up.self, Down.self, Status.self, New.self, DropLedger.self],
        defaultSubcommand: Status.self)

    /// Which files, and which database.
    struct Arguments: ParsableArguments {
        static let defaultDirectory = "migrations"

        @OptionGroup var configuration: ConfigurationArguments

        @Option(
            help: ArgumentHelp(
                "Where your files are. Default: \(defaultDirectory), if it is here.",
                valueName: "directory"))
        var dir: String?

        @Flag(
            inversion: .prefixedNo,
            help: "The loader's own schema alone, or only your files. Default: its own, then yours.")
        var builtIn: Bool?

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
            if builtIn == true, dir != nil { throw ValidationError("--dir and --built-in exclude each other.") }
            guard (1...86400).contains(lockTimeout), (1...86400).contains(wait) else {
                throw ValidationError("--lock-timeout and --wait are seconds from 1 to 86400.")
            }
        }

        func migrations() throws(MigrationError) -> MigrationSet {
            let isThere = dir != nil || FileManager.default.fileExists(atPath: Self.defaultDirectory)
            if builtIn == true || (builtIn == nil && !isThere) { return try .builtIn() }
            let files = try MigrationSet(directory: dir ?? Self.defaultDirectory)
            return builtIn == false ? files : try files.withBuiltIn()
        }

        /// Runs `body`, or prints why it could not and ends with the status that fits.
        func run(_ body: (Migrator) throws(MigrationError) -> Void) throws {
            let loading = try configuration.load(only: ["postgres"]).loading
            do throws(MigrationError) {
                let migrator = Migrator(
                    migrations: try migrations(), options: MigrateCommand.connectionOptions(loading),
                    lockTimeout: .seconds(lockTimeout), turnTimeout: .seconds(wait))
                try body(migrator)
            } catch {
                throw MigrateCommand.report(error)
            }
        }
    }

    static func connectionOptions(_ loading: LoadingOptions) -> ConnectionOptions {
        loading.database.connectionOptions("loader migrate")
    }

    /// What is applied and has no file, in words.
    static func unknown(_ version: String, _ origin: String) -> String {
        "\(version) is applied, and has no file in \(origin): put it back, or name its directory with --dir"
    }

    static func ahead(_ version: String) -> String {
        "\(version) was applied by a newer loader, for its own schema"
    }

    /// Prints the error; the result is to be thrown.
    static func report(_ error: MigrationError) -> ExitCode {
        StandardError.shared.write(line: "\(error)")
        return (error.passes ? ExitStatus.unavailable : .configuration).code
    }

    static func report(_ event: Migrator.Event) {
        switch event {
        case .applied(let file, let time): print("Applied \(file) in \(time.wholeMilliseconds) ms")
        case .rolledBack(let file, let time): print("Rolled back \(file) in \(time.wholeMilliseconds) ms")
        case .recorded(let file): print("Recorded \(file) as applied, without running it")
        }
    }
}

extension MigrateCommand {
    struct Up: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Apply every pending migration.",
            discussion: """
                Each file runs in a transaction of its own, the loader's own first, then yours in the order of the names. \
                If one fails, nothing of it takes effect, the ones before it stay, and the exit status is 78.

                EXAMPLES:
                  loader migrate up
                  DATABASE_URL=postgresql://owner@db/shop loader migrate up --built-in
                """)

        @OptionGroup var arguments: Arguments

        @Option(
            name: .customLong("applied"), parsing: .unconditionalSingleValue,
            help: ArgumentHelp(
                "Take this file for applied: record it and do not run it; may be given again.", valueName: "file"))
        var claimed: [String] = []

        func run() throws {
            try arguments.run { migrator throws(MigrationError) in
                var count = 0
                let plan = try migrator.up(claimed: claimed) { event in
                    count += 1
                    MigrateCommand.report(event)
                }
                if count == 0 { print("Nothing to do: \(migrator.migrations.words) are applied") }
                for version in plan.unknown {
                    StandardError.shared.write(
                        line: "Note: " + MigrateCommand.unknown(version, migrator.migrations.origin))
                }
                for version in plan.ahead {
                    StandardError.shared.write(line: "Note: " + MigrateCommand.ahead(version))
                }
            }
        }
    }

    struct Down: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take back the last migration of yours that is applied.",
            discussion: """
                The loader's own schema is never taken back by it: `loader migrate drop-ledger` does that.

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
                Only reads. [X] is applied, [ ] is pending, [!] has the number of another file, [?] is applied and has no file \
                here. The exit status is 0 in any case, unless --exit-code asks for 1 where something is not [X], or the \
                loader's own schema is behind or ahead.

                EXAMPLES:
                  loader migrate status
                  loader migrate status --exit-code || loader migrate up
                """)

        @OptionGroup var arguments: Arguments

        @Flag(help: "End with status 1 unless the database is what the files say.")
        var exitCode = false

        func run() throws {
            var isEven = true
            try arguments.run { migrator throws(MigrationError) in
                let status = try migrator.status()
                isEven = status.isEven
                for line in Self.lines(status, migrator.migrations) { print(line) }
            }
            if exitCode, !isEven { throw ExitCode(1) }
        }

        static func lines(_ status: Migrator.Status, _ migrations: MigrationSet) -> [String] {
            let taken = Set(status.taken.map(\.file))
            var lines: [String] = []
            for file in migrations.files where !taken.contains(file.name) {
                lines.append((status.pending.contains(file.name) ? "[ ] " : "[X] ") + file.name)
            }
            for taken in status.taken { lines.append("[!] \(MigrationError(taken))") }
            for version in status.unknown { lines.append("[?] " + MigrateCommand.unknown(version, migrations.origin)) }
            for version in status.ahead { lines.append("[?] " + MigrateCommand.ahead(version)) }
            if let error = status.ledger { lines.append("[!] \(error)") }
            return lines + ["", "Applied: \(status.applied.count)", "Pending: \(status.pending.count)"]
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
                let directory = MigrationDirectory(dir)
                let file = try directory.nextFile(called: name)
                try directory.write(MigrationSet.template, to: file)
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
