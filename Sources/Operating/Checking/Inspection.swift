import Foundation
import Kafka
import Loading
import Postgres
import Schemas

/// Looks at everything that a start needs, and at a sample of the messages. Writes nothing, and joins no group
/// but one of its own, for a moment.
package struct Inspection {
    private let options: LoadingOptions
    /// Messages of each partition; 0: none.
    private let sample: Int
    /// What is known of the configuration already.
    private let warnings: [SetupProblem]

    package init(_ options: LoadingOptions, sample: Int, warnings: [SetupProblem] = []) {
        self.options = options
        self.sample = sample
        self.warnings = warnings
    }

    /// A skew of clocks that somebody may notice in the data.
    private static let clockTolerance = 2.0

    package func report() -> CheckReport {
        var report = CheckReport()
        report.waitsAtStart = options.waitsAtStart
        let count = options.routes.count
        report.areas = [
            .init(
                name: "configuration",
                summary: "\(count) \(count == 1 ? "route" : "routes"), group \(options.group), "
                    + "delivery \(options.delivery.rawValue)")
        ]
        report.routes = options.routes.map { CheckReport.Route($0) }
        for warning in warnings { report.add(warning, to: "configuration") }

        report.areas.append(.init(name: "database", summary: ""))
        var connection: Connection?
        var start = StartCheck()
        var locks: [LockWait] = []
        do throws(PostgresError) {
            let opened = try Connection(options.connectionOptions("check"))
            connection = opened
            opened.lockPatience = Preflight.lockPatience
            locks = try Preflight.locks(options, on: opened)
            for lock in locks { report.add(Preflight.warning(lock), to: "locks") }
            try inspectDatabase(opened, &start, &report)
        } catch {
            start.refuse(error, options)
        }
        defer { connection?.close() }
        for problem in start.databaseProblems + (start.preflight?.warnings ?? []) {
            report.add(problem, to: Self.area(of: problem))
        }
        if let schemas = options.schemas {
            let problems = RegistryCheck.problems(options)
            report.areas.append(.init(name: "registry", summary: problems.isEmpty ? schemas.registry.place : ""))
            for problem in problems { report.add(problem, to: "registry") }
        }
        let preflight = start.preflight
        let routed = RoutedTopics(options)
        let survey = TopicSurvey(
            options, routed, preflight: preflight, on: start.databaseError == nil ? connection : nil)
        inspectBrokers(survey, BrokerAccess(options, routed.admin?.certificate), &report)
        for warning in TokenCheck.warnings(options) { report.add(warning, to: "clock") }
        if let preflight, survey.isReachable, sample > 0 {
            takeSample(preflight, survey, connection, Set(locks.compactMap(\.table)), &report)
        }
        for index in report.areas.indices where report.areas[index].summary.isEmpty {
            report.areas[index].summary = report.areas[index].problems.isEmpty ? "nothing found" : ""
        }
        return report
    }

    // MARK: The database

    private func inspectDatabase(
        _ connection: Connection, _ start: inout StartCheck, _ report: inout CheckReport
    ) throws(PostgresError) {
        let before = Date().timeIntervalSince1970
        let facts = try connection.query(
            "SELECT current_database(), current_user, extract(epoch FROM clock_timestamp())::float8::text")
        let after = Date().timeIntervalSince1970
        let skew = (facts.string(0, 2).flatMap(Double.init) ?? 0) - (before + after) / 2
        let version = connection.parameter("server_version") ?? "\(connection.serverVersion / 10_000)"
        report.areas[report.areas.count - 1].summary =
            "PostgreSQL \(version), \(facts.string(0, 0) ?? "") as \(facts.string(0, 1) ?? "")"
        if let security = connection.security {
            // `scram-sha-256:app`; nothing where nothing was asked for.
            let answer =
                connection.serverVersion >= 160_000 ? try connection.query("SELECT coalesce(system_user, '')") : nil
            let method = answer?.string(0, 0).map { $0.isEmpty ? "nothing" : String($0.prefix { $0 != ":" }) }
            report.areas.append(
                .init(name: "connection", summary: security.words(role: facts.string(0, 1) ?? "", method: method)))
            for warning in security.warnings() { report.add(warning, to: "database") }
        }
        do throws(PostgresError) {
            try start.askDatabase(options, on: connection)
        } catch {
            start.refuse(error, options)
        }
        if options.delivery == .exactlyOnce {
            report.areas.append(.init(name: "ledger", summary: start.preflight?.ledgerID.map { "id \($0)" } ?? ""))
        }
        report.areas.append(.init(name: "clock", summary: Self.words(forSkew: skew, "the database's")))
        if abs(skew) > Self.clockTolerance + (after - before) / 2 {
            report.add(
                SetupProblem(
                    .clock, at: "clock",
                    "this machine's clock, which $now shows, and the database's differ by \(Self.seconds(abs(skew)))",
                    mend: "synchronise both (NTP)", isWarning: true), to: "clock")
        }
        for summary in start.preflight?.routes ?? [] {
            guard let index = report.routes.firstIndex(where: { $0.route == summary.label }) else { continue }
            report.routes[index].fill(summary)
        }
    }

    private static func words(forSkew skew: Double, _ whose: String) -> String {
        abs(skew) < 1
            ? "within a second of \(whose)" : "\(seconds(abs(skew))) \(skew > 0 ? "behind" : "ahead of") \(whose)"
    }

    private static func seconds(_ seconds: Double) -> String {
        seconds < 100 ? "\((seconds * 10).rounded() / 10) s" : "\(Int(seconds / 60)) min"
    }

    // MARK: The brokers

    private func inspectBrokers(_ survey: TopicSurvey, _ access: BrokerAccess, _ report: inout CheckReport) {
        report.areas.append(
            .init(name: "brokers", summary: survey.isReachable ? "\(options.brokers); \(access.words)" : ""))
        for problem in access.problems() { report.add(problem, to: "brokers") }
        if survey.isReachable {
            report.areas.append(.init(name: "group", summary: groupWords(survey)))
            let counts = survey.topics.sorted { $0.key < $1.key }.map { topic, count in
                "\(topic) (\(count) \(count == 1 ? "partition" : "partitions"))"
            }
            let shown = counts.prefix(5).joined(separator: ", ")
            report.areas.append(
                .init(
                    name: "topics",
                    summary: counts.isEmpty
                        ? "none" : shown + (counts.count > 5 ? " and \(counts.count - 5) more" : "")))
        }
        for problem in survey.problems + survey.warnings { report.add(problem, to: Self.area(of: problem)) }
        for (index, route) in options.routes.enumerated() {
            let taken = survey.partitions.filter { place in
                route.topics.contains { $0.matches(place.partition.topic) }
            }
            guard !taken.isEmpty else { continue }
            report.routes[index].partitions = taken.count
            report.routes[index].unread = taken.reduce(0) { $0 + $1.unread }
        }
    }

    private func groupWords(_ survey: TopicSurvey) -> String {
        let name = options.group
        guard let group = survey.group else { return name }
        guard !group.members.isEmpty else { return "\(name), no member runs" }
        let count = group.members.count
        return "\(name), \(count) \(count == 1 ? "member runs" : "members run")"
    }

    // MARK: The messages

    /// Each schema by its subject and version, as far as the registry says them.
    private func words(for schemas: [SchemaID: Int]) -> [String] {
        let resolver = options.schemas.map { SchemaResolver($0) }
        let sorted = schemas.sorted { ($1.value, $0.key.description) < ($0.value, $1.key.description) }
        return sorted.prefix(20).map { id, _ in
            let known = options.schemas?.known(id)
            var place = known.flatMap { schema in schema.subject.map { ($0, schema.version) } }
            if place == nil {
                place = (try? resolver?.place(of: id)).flatMap { $0 }.map { ($0.subject, $0.version) }
            }
            guard let place else { return "\(id)" }
            return "\(id) (\(place.0)\(place.1.map { ", version \($0)" } ?? ""))"
        }
    }

    private func takeSample(
        _ preflight: Preflight, _ survey: TopicSurvey, _ connection: Connection?, _ locked: Set<String>,
        _ report: inout CheckReport
    ) {
        let trial: RouteTrial
        do throws(KafkaError) {
            trial = try RouteTrial(
                options, preflight, survey, count: sample, locked: locked, on: connection)
        } catch {
            report.add(
                SetupProblem(
                    .kafka, at: "kafka.properties", "no sample can be taken: \(error.reason)",
                    mend: "mend kafka.properties"), to: "brokers")
            return
        }
        for (summary, sample) in zip(preflight.routes, trial.samples) {
            guard let index = report.routes.firstIndex(where: { $0.route == summary.label }) else { continue }
            report.routes[index].fill(sample)
            report.routes[index].sample?.schemas = words(for: sample.schemas)
        }
        for problem in trial.problems + trial.findings { report.add(problem, to: "topics") }
        if let newest = trial.newest {
            let ahead = Double(newest) / 1000 - Date().timeIntervalSince1970
            if ahead > Self.clockTolerance {
                report.add(
                    SetupProblem(
                        .clock, at: "clock",
                        "the newest message is stamped \(Self.seconds(ahead)) in this machine's future",
                        mend: "synchronise the clocks of producers, brokers and this machine (NTP)", isWarning: true),
                    to: "clock")
            }
        }
    }

    /// Under which heading a reader looks for it.
    static func area(of problem: SetupProblem) -> String {
        switch problem.code {
        case .kafka, .certificate: "brokers"
        case .registry: "registry"
        case .group, .position: "group"
        case .topic, .sample: "topics"
        case .timeout: "timeouts"
        case .clock: "clock"
        case .locked: "locks"
        case .badOption: "configuration"
        case .ledger: "ledger"
        default:
            switch problem.place {
            case "loader.ledger", "loader.positions": "ledger"
            case "postgres.url", "postgres.password": "database"
            default: "dead letters"
            }
        }
    }
}

extension CheckReport.Route {
    fileprivate init(_ route: Loading.Route) {
        self.init(
            route: route.label, topics: route.topics.map { Self.text($0) }, table: "\(route.table)",
            mode: route.mode.rawValue, onTombstone: route.onTombstone?.rawValue ?? "", copy: "",
            isReplaySafe: route.mode != .insert, columns: [])
    }

    private static func text(_ topic: Loading.Route.TopicPattern) -> String {
        switch topic {
        case .name(let name), .expression(let name): name
        }
    }

    fileprivate mutating func fill(_ summary: RouteSummary) {
        table = summary.table
        onTombstone = summary.onTombstone.rawValue
        copy = summary.isBinary ? "binary" : "text"
        isReplaySafe = summary.isReplaySafe
        columns = summary.columns.map {
            Column(name: $0.name, type: $0.type, source: $0.source, isKey: $0.isKey, isNotNull: $0.isNotNull)
        }
    }

    fileprivate mutating func fill(_ sample: RouteSample) {
        self.sample = Sample(
            messages: sample.messages, objects: sample.objects, rows: sample.rows, deletions: sample.deletions,
            deadLetters: sample.rejected,
            wasReadByServer: sample.wasReadByServer, wasTriedInTable: sample.wasTriedInTable,
            triggers: sample.triggers)
        for (index, measured) in sample.columns.enumerated() where columns.indices.contains(index) {
            columns[index].filled = measured.filled
            columns[index].null = measured.null
            columns[index].absent = measured.absent
            columns[index].example = measured.example
            columns[index].schemaType = measured.schemaType
        }
        deadLetters = sample.rejections.map {
            DeadLetter(
                reason: $0.reason, column: $0.column, sqlState: $0.sqlState, explanation: $0.explanation,
                count: $0.count, places: $0.places)
        }
        effects = sample.effects.map { Effect(what: $0.words, count: $0.count, places: $0.places) }
        unusedFields = sample.unusedFields.map {
            UnusedField(path: $0.path, count: $0.count, example: $0.example)
        }
    }
}
