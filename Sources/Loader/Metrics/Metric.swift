import Loading

/// One metric: what it is called, what it says, and where its figures come from.
struct Metric: Sendable {
    enum Kind: String { case counter, gauge, histogram }

    enum Value {
        case integer(Int)
        case number(Double)
        case histogram(Histogram)
    }

    /// A value, with a value for each of the metric's labels.
    struct Sample {
        var labels: [String] = []
        var value: Value
    }

    let name: String
    let kind: Kind
    let help: String
    let labels: [String]
    let samples: @Sendable (ServiceStatus) -> [Sample]

    private init(
        _ name: String, _ kind: Kind, _ help: String, _ labels: [String] = [],
        _ samples: @escaping @Sendable (ServiceStatus) -> [Sample]
    ) {
        self.name = name
        self.kind = kind
        self.help = help
        self.labels = labels
        self.samples = samples
    }
}

extension Metric {
    static func counter(
        _ name: String, _ help: String, _ value: @escaping @Sendable (LoadingStatistics.Snapshot) -> Int
    ) -> Metric {
        Metric(name, .counter, help) { [Sample(value: .integer(value($0.snapshot)))] }
    }

    /// - Parameter values: by the label's value.
    static func counter(
        _ name: String, _ help: String, by label: String,
        _ values: @escaping @Sendable (LoadingStatistics.Snapshot) -> [String: Int]
    ) -> Metric {
        Metric(name, .counter, help, [label]) { status in
            values(status.snapshot).sorted { $0.key < $1.key }.map {
                Sample(labels: [$0.key], value: .integer($0.value))
            }
        }
    }

    static func histogram(
        _ name: String, _ help: String, _ value: @escaping @Sendable (LoadingStatistics.Snapshot) -> Histogram
    ) -> Metric {
        Metric(name, .histogram, help) { [Sample(value: .histogram(value($0.snapshot)))] }
    }

    /// - Parameter value: nil while there is none.
    static func gauge(
        _ name: String, _ help: String, _ value: @escaping @Sendable (ServiceStatus) -> Value?
    ) -> Metric {
        Metric(name, .gauge, help) { status in value(status).map { [Sample(value: $0)] } ?? [] }
    }

    /// One value for each partition that this member has.
    static func partitionGauge(
        _ name: String, _ help: String, _ value: @escaping @Sendable (LoadingStatistics.PartitionState) -> Int64
    ) -> Metric {
        Metric(name, .gauge, help, ["topic", "partition"]) { status in
            status.snapshot.partitions.sorted { $0.key < $1.key }.map { partition, state in
                Sample(labels: [partition.topic, String(partition.partition)], value: .integer(Int(value(state))))
            }
        }
    }

    /// One value for each route: how many notes of these kinds there are. Never a field's name, which could be anything.
    static func driftGauge(_ name: String, _ help: String, _ kinds: DriftNote.Kind...) -> Metric {
        Metric(name, .gauge, help, ["route", "table"]) { status in
            status.snapshot.drift.map { drift in
                Sample(
                    labels: [drift.route, drift.table],
                    value: .integer(drift.notes.count { kinds.contains($0.kind) }))
            }
        }
    }

    static func labelled(
        _ name: String, _ kind: Kind, _ help: String, by labels: [String],
        _ samples: @escaping @Sendable (ServiceStatus) -> [Sample]
    ) -> Metric {
        Metric(name, kind, help, labels, samples)
    }
}
