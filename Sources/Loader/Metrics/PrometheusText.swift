/// Writes the metrics in Prometheus' text format, version 0.0.4:
/// https://prometheus.io/docs/instrumenting/exposition_formats/
struct PrometheusText {
    private(set) var text = ""

    init(_ status: ServiceStatus) {
        for metric in Metric.all {
            text += "# HELP \(metric.name) \(metric.help)\n# TYPE \(metric.name) \(metric.kind.rawValue)\n"
            for sample in metric.samples(status) {
                let labels = zip(metric.labels, sample.labels).map { "\($0)=\"\(Self.escaped($1))\"" }
                switch sample.value {
                case .integer(let value): add(metric.name, labels, String(value))
                case .number(let value): add(metric.name, labels, Self.number(value))
                case .histogram(let histogram):
                    var count = 0
                    for (bound, more) in zip(histogram.bounds, histogram.counts) {
                        count += more
                        add(metric.name + "_bucket", labels + ["le=\"\(Self.number(bound))\""], String(count))
                    }
                    add(metric.name + "_bucket", labels + ["le=\"+Inf\""], String(histogram.count))
                    add(metric.name + "_sum", labels, Self.number(histogram.sum))
                    add(metric.name + "_count", labels, String(histogram.count))
                }
            }
        }
    }

    private mutating func add(_ name: String, _ labels: [String], _ value: String) {
        text += labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels.joined(separator: ","))} \(value)\n"
    }

    /// `50000` rather than `50000.0`.
    private static func number(_ value: Double) -> String {
        Int(exactly: value).map { String($0) } ?? String(value)
    }

    private static func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }
}
