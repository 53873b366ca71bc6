import Foundation
import Kafka
import Loading
import Postgres
import Testing

@testable import Loader

@Suite struct MetricsTests {
    /// One of everything.
    static var busy: LoadingStatistics.Snapshot {
        var snapshot = LoadingStatistics.Snapshot()
        snapshot.isAssigned = true
        snapshot.count(
            BatchRecord(
                time: Date(timeIntervalSince1970: 1_700_000_000.5), messages: 12, rows: 11, bytes: 1200,
                deadLetters: 1, wait: 0.5, decode: 0.002, copy: 0.02, commit: 0.003),
            offsets: 13)
        snapshot.deadLetters = ["wrong_type": 2]
        (snapshot.rebalances, snapshot.fences, snapshot.positionResets) = (4, 5, 6)
        snapshot.retryCauses = [.init(.away, sqlStateClass: "57"): 2, .init(.away): 1]
        snapshot.outagesSince = [.brokers: Date()]
        snapshot.outageCounts = [.brokers: 3]
        snapshot.buffers = .init(queueMessages: 7, batchMessages: 8, batchBytes: 900)
        snapshot.partitions = [
            TopicPartition(topic: "b", partition: 10): .init(position: 5, end: 5),
            TopicPartition(topic: "b", partition: 9): .init(position: 3, end: 10),
            TopicPartition(topic: "a\"\\\n", partition: 0): .init(position: 1, end: 3),
        ]
        return snapshot
    }

    private func samples(of names: [String]) -> [String] {
        PrometheusText(ServiceStatus(Self.busy)).text.split(separator: "\n").map(String.init).filter { line in
            names.contains { line.hasPrefix($0) }
        }
    }

    @Test("every counter of the pipeline reaches the metrics")
    func counters() {
        let names = [
            "loader_messages_total", "loader_rows_total", "loader_bytes_total", "loader_batches_total",
            "loader_rebalances_total", "loader_ledger_fences_total", "loader_position_resets_total",
            "loader_queue_", "loader_buffer_", "loader_last", "loader_live", "loader_ready",
        ]
        #expect(
            samples(of: names) == [
                "loader_messages_total 12", "loader_rows_total 11", "loader_bytes_total 1200",
                "loader_batches_total 1", "loader_rebalances_total 4", "loader_ledger_fences_total 5",
                "loader_position_resets_total 6", "loader_queue_messages 7", "loader_queue_bytes 700",
                "loader_buffer_messages 8", "loader_buffer_bytes 900",
                "loader_last_commit_timestamp_seconds 1700000000.5", "loader_live 1",
                "loader_ready 0",
            ])
    }

    @Test("labels are escaped and in order")
    func labels() {
        #expect(
            samples(of: ["loader_lag", "loader_retries_total", "loader_outage"]) == [
                #"loader_retries_total{class="away",sqlstate_class="57"} 2"#,
                #"loader_retries_total{class="away",sqlstate_class="none"} 1"#,
                #"loader_outages_total{place="brokers"} 3"#, #"loader_outages_total{place="database"} 0"#,
                #"loader_outages_total{place="dead_letter_topic"} 0"#,
                #"loader_outages_total{place="schema_registry"} 0"#, #"loader_outages_total{place="tokens"} 0"#,
                #"loader_outage{place="database"} 0"#,
                #"loader_outage{place="brokers"} 1"#, #"loader_outage{place="dead_letter_topic"} 0"#,
                #"loader_outage{place="schema_registry"} 0"#, #"loader_outage{place="tokens"} 0"#,
                #"loader_lag{topic="a\"\\\n",partition="0"} 2"#, #"loader_lag{topic="b",partition="9"} 7"#,
                #"loader_lag{topic="b",partition="10"} 0"#,
            ])
    }

    @Test("every operation of every route has a value before the first")
    func operations() {
        var snapshot = Self.busy
        let table = TableName(schema: nil, name: "orders")
        snapshot.routes = [
            RouteFigures(Route(topics: [.name("a")], table: table)),
            RouteFigures(Route(topics: [.name("b")], table: table, label: "routes[1]")),
        ]
        snapshot.routes[1].operations[.deletion] = 7
        let lines = PrometheusText(ServiceStatus(snapshot)).text.split(separator: "\n").filter {
            $0.hasPrefix("loader_operations_total{")
        }
        #expect(lines.count == 2 * RowOperation.allCases.count)
        #expect(lines.contains(#"loader_operations_total{route="routes[0]",operation="row"} 0"#))
        #expect(lines.contains(#"loader_operations_total{route="routes[1]",operation="deletion"} 7"#))
    }

    @Test("every reason of a dead letter has a value before the first")
    func reasons() {
        let lines = samples(of: ["loader_dead_letters_total"])
        #expect(lines.contains(#"loader_dead_letters_total{reason="wrong_type"} 2"#))
        #expect(lines.contains(#"loader_dead_letters_total{reason="invalid_json"} 0"#))
        #expect(lines.count == LoadingStatistics.deadLetterReasons.count)
    }

    @Test("a histogram's buckets hold all below them, and the last holds everything")
    func histogram() {
        let lines = samples(of: ["loader_batch_copy_seconds"])
        #expect(lines.contains(#"loader_batch_copy_seconds_bucket{le="0.01"} 0"#))
        #expect(lines.contains(#"loader_batch_copy_seconds_bucket{le="0.025"} 1"#))
        #expect(
            lines.suffix(4) == [
                #"loader_batch_copy_seconds_bucket{le="120"} 1"#, #"loader_batch_copy_seconds_bucket{le="+Inf"} 1"#,
                "loader_batch_copy_seconds_sum 0.02", "loader_batch_copy_seconds_count 1",
            ])
    }

    @Test("names and help follow Prometheus' conventions, and no name is there twice")
    func names() {
        #expect(Set(Metric.all.map(\.name)).count == Metric.all.count)
        for metric in Metric.all {
            #expect(metric.name.hasPrefix("loader_") || metric.name.hasPrefix("process_"))
            #expect(metric.name.hasSuffix("_total") == (metric.kind == .counter), "\(metric.name)")
            #expect(metric.help.hasSuffix("."), "\(metric.name)")
            #expect(!metric.help.contains { "\n\\|".contains($0) }, "\(metric.name)")
        }
    }

    @Test("what is served passes promtool's check", .enabled(if: promtool != nil, "promtool is not installed"))
    func check() throws {
        let process = Process()
        process.executableURL = Self.promtool
        process.arguments = ["check", "metrics"]
        let (input, output) = (Pipe(), Pipe())
        (process.standardInput, process.standardOutput, process.standardError) = (input, output, output)
        try process.run()
        try input.fileHandleForWriting.write(contentsOf: Data(PrometheusText(ServiceStatus(Self.busy)).text.utf8))
        try input.fileHandleForWriting.close()
        let said = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(said)")
        #expect(said.isEmpty)
    }

    private static let promtool = ProcessInfo.processInfo.environment["PATH", default: ""].split(separator: ":")
        .map { URL(filePath: "\($0)/promtool") }
        .first { FileManager.default.isExecutableFile(atPath: $0.path()) }

    @Test("docs/metrics.md lists what the source serves")
    func page() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let page = root.appending(path: "docs/metrics.md")
        if (try? String(contentsOf: page, encoding: .utf8)) != MetricsReference.page {
            let right = FileManager.default.temporaryDirectory.appending(path: "metrics.md")
            try Data(MetricsReference.page.utf8).write(to: right)
            Issue.record("docs/metrics.md is not what the source says; run: cp \(right.path()) docs/metrics.md")
        }
    }
}
