import ArgumentParser
import Foundation
import Kafka
import Loading
import Operating
import Postgres
import Records
import Schemas

struct InferCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "infer",
        abstract: "Propose a table and a route for a topic, from a sample of its messages.",
        discussion: """
            Prints a migration and the route that fits it. A column has the type that the messages' schema gives its field, \
            and where they have none the one that nearly all of its values fit: the sampled messages load without a dead \
            letter, but for those that it counts and those that cannot be read. A \
            table that an earlier `infer --write` has written a migration for is not written again. Half of the sample are the oldest messages, half the newest. Nothing is \
            written to Kafka or the database, and no group is joined.

            EXAMPLES:
              KAFKA_BROKERS=localhost:9092 loader infer --topic orders
              loader infer --topic orders --table public.orders --key order_id --write
            """)

    @OptionGroup var arguments: ConfigurationArguments

    @Option(help: "The topic.")
    var topic: String

    @Option(help: ArgumentHelp("The table to propose. Default: public, and the topic's name.", valueName: "name"))
    var table: String?

    @Option(help: "What the messages are written in, as in the configuration of a route.")
    var format = Route.Format.auto

    @Option(help: "What their keys are written in.")
    var keyFormat = Route.KeyFormat.auto

    @Option(help: ArgumentHelp("The schema of messages that name none.", valueName: "file"))
    var schema: String?

    @Option(
        help: ArgumentHelp(
            "Which of the messages of a schema of Protobuf it is, where it has several: shop.Order.", valueName: "name")
    )
    var message: String?

    @Option(
        help: ArgumentHelp(
            "How numbers before a message of Protobuf say which one of its schema it is: plain, as old clients of Confluent's for Python and .NET write them, or zigzag.",
            valueName: "numbers"))
    var messageIndexes = MessageIndexes.Numbers.zigzag

    @Option(help: ArgumentHelp("Messages of each partition to look at.", valueName: "count"))
    var sample = 1000

    @Option(
        help: ArgumentHelp(
            "The fields that identify a row, separated by commas, or `none`. Default: the message's key, or an id.",
            valueName: "fields"))
    var key: String?

    @Option(
        help:
            "Objects within a message: their fields as columns, or each one whole as jsonb; or, with their fields as columns, arrays of them as tables of their own."
    )
    var nested = TableProposal.Nesting.flatten

    @Flag(help: "Leave the least and greatest values out of the comments.")
    var noValues = false

    @Flag(
        help: ArgumentHelp(
            "Write migrations/NNNN_name.sql, and loader.yaml if there is none; the route is printed in any case."))
    var write = false

    func validate() throws {
        guard (1...1_000_000).contains(sample) else { throw ValidationError("--sample is 1 to 1000000.") }
        do throws(ValueMistake) { _ = try tableName() } catch {
            throw ValidationError("--table: \(error.message). \(error.mend)")
        }
    }

    func run() throws {
        let configuration = try arguments.load(only: ["kafka.brokers", "kafka.properties", "schema_registry"])
        let options = configuration.loading
        let name = try tableName()
        let route = try route(into: name)
        guard messageIndexes == .zigzag || configuration.registry.isThere && configuration.registry.kind == .confluent
        else {
            throw ValidationError(
                "--message-indexes is for topics whose schemas are in a registry of the kind confluent.")
        }
        if let problem = RegistryCheck.problems(options).first {
            throw fail("\(problem.problem). \(problem.mend.words)", problem.isWarning ? .unavailable : .configuration)
        }
        let messages = try read(options)
        let profile = TopicProfile(
            messages,
            TopicProfile.Reading(
                MessageFormat(valuesOf: route, options.schemas), keys: MessageFormat(keysOf: route, options.schemas),
                options.schemas.map { SchemaLookup($0, patience: .seconds(10)) }))
        guard !profile.records.isEmpty else { throw fail(nothing(in: profile)) }
        let proposal: TableProposal
        do throws(TableProposal.UnknownKey) {
            proposal = try TableProposal(
                topic: topic, table: name, profile, reading: reading, nesting: nested, key: keyChoice)
        } catch {
            throw ValidationError(
                "--key: the messages have no field \(error.name)."
                    + (error.near.map { " Did you mean \($0)?" } ?? ""))
        }
        try output(proposal, hasRegistry: options.schemas != nil)
    }

    private func nothing(in profile: TopicProfile) -> String {
        let why =
            if let (failure, place) = profile.firstBroken {
                "has no message that can be read among the sampled ones: the first, \(place), \(failure.words)"
            } else if profile.tombstones > 0 {
                "has nothing but tombstones among the sampled messages"
            } else {
                "has no messages"
            }
        return "the topic \(topic) \(why), so there is nothing to go by"
    }

    /// A route that reads the messages as is asked for.
    private func route(into table: TableName) throws -> Route {
        var route = Route(topics: [.name(topic)], table: table, label: topic)
        route.format = format
        route.keyFormat = keyFormat
        route.messageIndexes = messageIndexes
        guard let schema else { return route }
        guard format == .avro || format == .protobuf else {
            throw ValidationError("--schema goes with --format avro or protobuf.")
        }
        let file: Route.SchemaFile
        do throws(ValueMistake) {
            file = try ConfigurationKind<Route.SchemaFile>.schemaFile.read(.text(schema))
        } catch { throw ValidationError("--schema: \(error.message). \(error.mend)") }
        guard file.format == format else {
            throw ValidationError("--schema goes with --format \(file.format.rawValue).")
        }
        (route.schemaFile, route.schemaMessage) = (file, message)
        if case .protobuf(let schema) = file.content, schema.message(forRoute: message) == nil {
            let names = schema.own.prefix(20).map { schema[$0].name }.joined(separator: ", ")
            throw ValidationError("--message must be one of the file's messages: \(names).")
        }
        return route
    }

    /// The same as the proposed route says it.
    private var reading: [String] {
        [
            format == .auto ? nil : "format: \(format.rawValue)",
            keyFormat == .auto ? nil : "key_format: \(keyFormat.rawValue)",
            messageIndexes == .zigzag ? nil : "message_indexes: \(messageIndexes.rawValue)",
            schema.map { file in
                let named = message.map { ", message: \(TableProposal.yaml($0))" } ?? ""
                return "schema: { file: \(TableProposal.yaml(file))\(named) }"
            },
        ].compactMap(\.self)
    }

    private var keyChoice: TableProposal.KeyChoice {
        guard let key else { return .automatic }
        return key == "none"
            ? .none : .columns(key.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) })
    }

    private func tableName() throws(ValueMistake) -> TableName {
        if let table { return try parseTableName(table) }
        var naming = ColumnNaming()
        return TableName(schema: "public", name: naming.name(for: [topic]))
    }

    private func read(_ options: LoadingOptions) throws -> Batch {
        do throws(KafkaError) { return try TopicSample.read(topic, count: sample, options) } catch {
            throw fail("the topic cannot be read: \(error.told)", error.isRetriable ? .unavailable : .configuration)
        }
    }

    private func fail(_ message: String, _ status: ExitStatus = .configuration) -> ExitCode {
        StandardError.shared.write(line: message)
        return status.code
    }

    private func output(_ proposal: TableProposal, hasRegistry: Bool) throws {
        let migration = proposal.migration(showsValues: !noValues)
        let directory = MigrationDirectory(MigrateCommand.Arguments.defaultDirectory)
        let file: String
        do throws(MigrationError) {
            let title = snakeCased(proposal.table.name)
            file = try directory.nextFile(called: title.isEmpty ? "table" : title)
        } catch {
            throw fail("\(error)")
        }
        let hasConfiguration =
            arguments.config != nil || FileManager.default.fileExists(atPath: "loader.yaml")
            || ProcessInfo.processInfo.environment["LOADER_CONFIG"]?.isEmpty == false
        let whole = proposal.configuration(group: "\(topic)-loader", hasRegistry: hasRegistry)
        // The file that this command wrote for the same table before.
        let earlier =
            write
            ? directory.first {
                $0.contains(TableProposal.mark) && $0.contains("CREATE TABLE \(proposal.table.sql) (\n")
            } : nil
        if let earlier, earlier.text != migration {
            throw fail(
                "\(earlier.file) is an earlier proposal for \(proposal.table.sql), and a second one would create the table "
                    + "again. To replace it, if it is not applied yet: rm \(earlier.file), and this command again. Without "
                    + "--write the new proposal is only printed.")
        }
        guard write else {
            print("-- \(file)")
            print(migration)
            print(hasConfiguration ? "# for `routes:` in the configuration" : "# loader.yaml")
            print(hasConfiguration ? proposal.route : whole, terminator: "")
            return
        }
        do {
            if let earlier {
                print("# \(earlier.file) says the same already")
            } else {
                try directory.write(migration, to: file)
                print("# wrote \(file)")
            }
            for words in [proposal.refusedWords, proposal.widenedWords].compactMap(\.self) { print("# \(words)") }
            if hasConfiguration {
                print("# for `routes:` in the configuration:")
                print(proposal.route, terminator: "")
            } else {
                try Data(whole.utf8).write(to: URL(filePath: "loader.yaml"), options: .withoutOverwriting)
                print("# wrote loader.yaml:")
                print(whole, terminator: "")
            }
            print("# next: loader migrate up && loader check && loader run")
        } catch {
            throw fail("nothing can be written here: \(error.localizedDescription)")
        }
    }
}

extension TableProposal.Nesting: ExpressibleByArgument {}
extension Route.Format: ExpressibleByArgument {}
extension Route.KeyFormat: ExpressibleByArgument {}
extension MessageIndexes.Numbers: ExpressibleByArgument {}
