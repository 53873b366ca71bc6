/// Writes the metrics in Prometheus' text format, version 0.0.4:
/// https://prometheus.io/docs/instrumenting/exposition_formats/
struct PrometheusText {
    private(set) var text = ""

    init(_ status: ServiceStatus, build: [(label: String, value: String)]) {
        let counters = status.counters
        add("loader_messages_total", .counter, "Messages whose batch was committed.", [([], counters.messages)])
        add("loader_rows_total", .counter, "Rows that messages were turned into.", [([], counters.rows)])
        add("loader_batches_total", .counter, "Batches that were committed.", [([], counters.batches)])
        add(
            "loader_dead_letters_total", .counter, "Messages that went to the dead letters, by reason.",
            labelled(counters.deadLetters, "reason"))
        add("loader_rebalances_total", .counter, "Rebalances of the consumer group.", [([], counters.rebalances)])
        add(
            "loader_retries_total", .counter, "Batches that were tried again, by class of error.",
            labelled(counters.retries, "class"))
        add(
            "loader_ledger_fences_total", .counter, "Batches dropped because another member owned the partition.",
            [([], counters.ledgerFences)])
        add(
            "loader_position_resets_total", .counter, "Positions moved by a reset of the group or by lost offsets.",
            [([], counters.positionResets)])
        add(
            "loader_lag", .gauge, "Messages of a partition that are not loaded yet.",
            status.lags.sorted { ($0.topic, $0.partition) < ($1.topic, $1.partition) }
                .map { ([("topic", $0.topic), ("partition", String($0.partition))], Int($0.lag)) })
        add("loader_live", .gauge, "1 while the loops turn.", [([], status.isLive ? 1 : 0)])
        add("loader_ready", .gauge, "1 while the loader can load.", [([], status.isReady ? 1 : 0)])
        add("loader_build_info", .gauge, "Always 1; the labels are the versions.", [(build, 1)])
    }

    private enum Kind: String { case counter, gauge }

    private typealias Labels = [(label: String, value: String)]

    private func labelled(_ values: [String: Int], _ label: String) -> [(Labels, Int)] {
        values.sorted { $0.key < $1.key }.map { ([(label, $0.key)], $0.value) }
    }

    private mutating func add(_ name: String, _ kind: Kind, _ help: String, _ samples: [(Labels, Int)]) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
        for (labels, value) in samples {
            let list = labels.map { "\($0.label)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",")
            text += labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(list)} \(value)\n"
        }
    }

    private static func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }
}
