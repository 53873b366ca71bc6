import Foundation
import Kafka
import Loading
import Postgres

extension Metric {
    /// Everything that `/metrics` serves, in its order. `docs/metrics.md` is made of it.
    static let all: [Metric] = [
        .counter("loader_messages_total", "Messages whose batch was committed.", \.messages),
        .counter("loader_rows_total", "Rows that messages were turned into.", \.rows),
        .counter(
            "loader_bytes_total", "Keys, values and headers of the messages whose batch was committed, as they came.",
            \.bytes),
        .counter("loader_batches_total", "Batches that were committed.", \.batches),
        .histogram("loader_batch_messages", "Messages a batch.", \.batchMessages),
        .histogram(
            "loader_batch_wait_seconds",
            "From a batch's first message until the batch was handed over: filling it, and waiting for room.",
            \.wait),
        .histogram(
            "loader_batch_decode_seconds",
            "The time for decoding a batch's messages and building its rows.",
            \.decode),
        .histogram(
            "loader_batch_copy_seconds", "From BEGIN until COMMIT is sent: the fence, the rows, the dead letters.",
            \.copy),
        .histogram("loader_batch_commit_seconds", "COMMIT.", \.commit),
        .counter(
            "loader_dead_letters_total", "Messages that went to the dead letters for good, not those that wait there.",
            by: "reason"
        ) { snapshot in
            // Those at 0 as well: a counter that begins with its first increment hides it from rate().
            Dictionary(uniqueKeysWithValues: LoadingStatistics.deadLetterReasons.map { ($0, 0) })
                .merging(snapshot.deadLetters) { $1 }
        },
        .labelled(
            "loader_operations_total", .counter,
            "What the messages of a route did: "
                + RowOperation.allCases.map(\.name).joined(separator: ", ") + ". Dead letters are counted apart.",
            by: ["route", "operation"]
        ) { status in
            status.snapshot.routes.flatMap { route in
                RowOperation.allCases.map { operation in
                    Sample(
                        labels: [route.label, operation.name],
                        value: .integer(route.operations[operation, default: 0]))
                }
            }
        },
        .gauge(
            "loader_waiting_letters",
            "Letters of this member's partitions that are no dead letters yet: rows that wait for the rows they refer to."
        ) { .integer($0.snapshot.parentWaits.waiting) },
        .counter(
            "loader_waited_letters_total", "What became of letters that waited: loaded, overtaken, given_up.",
            by: "outcome"
        ) { snapshot in
            let waits = snapshot.parentWaits
            return ["loaded": waits.loaded, "overtaken": waits.overtaken, "given_up": waits.givenUp]
        },
        .labelled(
            "loader_nulled_values_total", .counter,
            "Values that became NULL because their column could not hold them and has on_error: null.",
            by: ["route", "table", "column"]
        ) { status in
            status.snapshot.nulledValues.map { column, count in
                Sample(labels: [column.route, column.table, column.column], value: .integer(count))
            }.sorted { $0.labels.lexicographicallyPrecedes($1.labels) }
        },
        .labelled(
            "loader_retries_total", .counter,
            "Batches that were tried again, by the failure's class (away, busy, conflict, data, setup) and the "
                + "SQLSTATE's first two characters, none where nobody answered.",
            by: ["class", "sqlstate_class"]
        ) { status in
            status.snapshot.retryCauses.map { cause, count in
                Sample(labels: [cause.failure.rawValue, cause.sqlStateClass], value: .integer(count))
            }.sorted { $0.labels.lexicographicallyPrecedes($1.labels) }
        },
        .counter("loader_outages_total", "How often something was away.", by: "place") { snapshot in
            Dictionary(
                uniqueKeysWithValues: LoadingStatistics.Outage.allCases.map {
                    ($0.rawValue, snapshot.outageCounts[$0, default: 0])
                })
        },
        .labelled(
            "loader_outage", .gauge,
            "1 while this is away: database, brokers, dead_letter_topic, schema_registry, tokens.",
            by: ["place"]
        ) { status in
            LoadingStatistics.Outage.allCases.map {
                Sample(labels: [$0.rawValue], value: .integer(status.snapshot.outages.contains($0) ? 1 : 0))
            }
        },
        .labelled(
            "loader_standstills", .gauge,
            "Partitions, topics and groups that are not loaded for a reason of their own, by reason: unreadable, refused, "
                + "missing, group.",
            by: ["reason"]
        ) { status in
            Standstill.Reason.allCases.map { reason in
                Sample(
                    labels: [reason.rawValue],
                    value: .integer(status.snapshot.standstills.count { $0.reason == reason }))
            }
        },
        .gauge(
            "loader_lock_waits",
            "Writers, and whoever reads positions or checks the start, that wait for a lock of another session, once that "
                + "has been noticed."
        ) { .integer($0.snapshot.lockWaits.count) },
        .counter(
            "loader_lock_waits_total", "How often one began to wait for a lock for longer than 5 s.", \.lockWaitCount),
        .driftGauge(
            "loader_unrouted_fields",
            "Fields of a route's messages that no route takes, of those that can be named: at most 64 a topic.",
            .unrouted, .new),
        .driftGauge(
            "loader_new_fields", "Of loader_unrouted_fields, those that have come since the loader began.", .new),
        .driftGauge(
            "loader_vanished_fields", "Fields that a route's columns take, and that its messages no longer have.",
            .vanished),
        .driftGauge(
            "loader_changed_fields",
            "Fields that a route's columns take, and whose values are of another JSON type than they were.", .changed),
        .counter("loader_rebalances_total", "Partitions given and taken by the consumer group.", \.rebalances),
        .counter(
            "loader_ledger_fences_total", "Batches dropped because another member owned the partition.", \.fences),
        .counter(
            "loader_position_resets_total", "Positions moved by a reset of the group or by lost offsets.",
            \.positionResets),
        .partitionGauge("loader_lag", "Offsets of a partition between its position and its end.", \.lag),
        .partitionGauge("loader_position", "The next offset of a partition to load.", \.position),
        .partitionGauge("loader_end", "The high watermark of a partition, as last heard.", \.end),
        .gauge(
            "loader_queue_messages", "Messages that librdkafka has fetched and that are in no batch yet."
        ) { .integer($0.snapshot.buffers.queueMessages) },
        .gauge(
            "loader_queue_bytes",
            "The bytes of loader_queue_messages, estimated with the mean size of the messages loaded so far."
        ) { .integer($0.snapshot.queueBytes) },
        .gauge("loader_buffer_messages", "Messages of the batches that fill or load.") {
            .integer($0.snapshot.buffers.batchMessages)
        },
        .gauge("loader_buffer_bytes", "Messages and encoded rows of the batches that fill or load.") {
            .integer($0.snapshot.buffers.batchBytes)
        },
        .gauge(
            "loader_last_commit_timestamp_seconds",
            "When a batch was last committed, in seconds since 1970; time() - this is how long ago. None before the first."
        ) { $0.snapshot.lastCommit.map { .number($0.timeIntervalSince1970) } },
        .gauge(
            "loader_token_end_timestamp_seconds",
            "When the token for the brokers ends, in seconds since 1970; less time() it is how long it serves. None without one."
        ) { $0.snapshot.tokenEnd.map { .number($0.timeIntervalSince1970) } },
        .labelled(
            "loader_certificate_end_timestamp_seconds", .gauge,
            "When a certificate ends that was shown last, in seconds since 1970: of the brokers, the database or the schema registry, "
                + "by the server or by the loader. None where none was shown.",
            by: ["place", "of"]
        ) { status in
            ShownCertificate.Role.all.compactMap { role in
                status.snapshot.certificates[role].map { certificate in
                    Sample(
                        labels: [role.place.rawValue, role.owner.rawValue],
                        value: .number(certificate.end.timeIntervalSince1970))
                }
            }
        },
        .counter("loader_trace_spans_total", "Spans that were delivered, where traces are sent.", \.spansDelivered),
        .counter(
            "loader_trace_spans_dropped_total", "Spans that no receiver took in time, or that did not fit its queue.",
            \.spansDropped),
        .gauge("loader_live", "1 while the loops turn, as /health/live has it.") { .integer($0.isLive ? 1 : 0) },
        .gauge("loader_ready", "1 while the loader can load, as /health/ready has it.") {
            .integer($0.isReady ? 1 : 0)
        },
        .labelled(
            "loader_build_info", .gauge, "Always 1; the labels are the versions.",
            by: ["version", "librdkafka", "libpq"]
        ) { _ in
            [
                Sample(
                    labels: [Version.loader, KafkaLibrary.versionString, PostgresLibrary.versionString],
                    value: .integer(1))
            ]
        },
        .gauge("process_start_time_seconds", "When the process was started, in seconds since 1970.") { _ in
            .number(ProcessFigures.startTime.timeIntervalSince1970)
        },
        .labelled("process_cpu_seconds_total", .counter, "The process's time on CPUs, user and system.", by: []) { _ in
            [Sample(value: .number(ProcessFigures.cpuSeconds))]
        },
        .gauge("process_resident_memory_bytes", "The process's memory that is resident.") { _ in
            ProcessFigures.residentBytes.map { .integer($0) }
        },
    ]
}

extension LoadingStatistics.Snapshot {
    /// librdkafka tells how many messages lie in its queues, but not cheaply how large they are.
    var queueBytes: Int { messages > 0 ? buffers.queueMessages * (bytes / messages) : 0 }
}
