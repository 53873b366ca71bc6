/// `docs/metrics.md`.
enum MetricsReference {
    static var page: String {
        var page = """
            # Metrics

            `GET /metrics` on `http.listen` (127.0.0.1:9464 unless told otherwise) serves them in Prometheus' text format.
            No metric holds a message's key or value. They are written once a batch; nothing runs for them between requests.

            | Metric | Type | Labels | What it says |
            |---|---|---|---|

            """
        for metric in Metric.all {
            let labels = metric.labels.map { "`\($0)`" }.joined(separator: ", ")
            page += "| `\(metric.name)` | \(metric.kind.rawValue) | \(labels) | \(metric.help) |\n"
        }
        page += """

            A histogram has `_bucket`, `_sum` and `_count`. The reasons of dead letters: \
            \(reasons).

            ## Questions and their expressions

            | Question | PromQL |
            |---|---|
            | How far is it behind? | `sum by (topic) (loader_lag)` |
            | How fast is it? | `sum(rate(loader_messages_total[1m]))` |
            | How long until it has caught up? | `sum(loader_lag) / -sum(deriv(loader_lag[5m]))`, while that is positive |
            | When was something committed last? | `time() - loader_last_commit_timestamp_seconds` |
            | Does it stand still with work to do? | `sum(loader_lag) > 0 and sum(rate(loader_messages_total[5m])) == 0` |
            | What does a batch's time go into? | `rate(loader_batch_copy_seconds_sum[5m]) / rate(loader_batch_copy_seconds_count[5m])`, and so for `wait`, `decode`, `commit` |
            | How slow is the slowest commit in a hundred? | `histogram_quantile(0.99, rate(loader_batch_commit_seconds_bucket[5m]))` |
            | Which part of the messages is bad? | `sum(rate(loader_dead_letters_total[5m])) / sum(rate(loader_messages_total[5m]))` |
            | Is anything away? | `loader_outage == 1` |
            | Is anything locked? | `loader_lock_waits > 0` |

            """
        return page
    }

    private static var reasons: String {
        Metric.all.first { $0.name == "loader_dead_letters_total" }?
            .samples(ServiceStatus(.init())).flatMap(\.labels).map { "`\($0)`" }.joined(separator: ", ") ?? ""
    }
}
