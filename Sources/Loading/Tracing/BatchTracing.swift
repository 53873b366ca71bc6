import Kafka
import Postgres
import Tracing

/// Makes a span of each batch once its outcome is known, with children for its phases.
///
/// Belongs to the consumer's thread. Batches overlap and their phases run on several threads, so nothing is passed in task
/// locals: the times that the batch has collected anyway become spans afterwards. Names and attributes are those of
/// OpenTelemetry's conventions for messaging and databases; what these do not know begins with `loader.`.
final class BatchTracing {
    private let tracer: any Tracer
    private let group: String
    /// Batches that the group has not been told of yet.
    private var unreported: [Unreported] = []

    private struct Unreported {
        var context: ServiceContext
        var began: DefaultTracerClock.Timestamp
        var ends: [TopicPartition: Int64]
    }

    /// Beyond this an oldest batch gets no span for its group commit: its partitions have probably gone.
    private static let maxUnreported = 64
    private static let maxRanges = 32

    init(_ tracer: any Tracer, group: String) {
        self.tracer = tracer
        self.group = group
    }

    /// Makes the spans of a batch whose outcome is final.
    func settle(_ outcome: Writer.Outcome, writer: Int) {
        switch outcome {
        case .loaded(let batch, let loaded): trace(batch, writer) { loadedSpans(batch, loaded, $0, $1) }
        case .fenced(let batch):
            failed(batch, "fenced", "another member has taken over a partition of the batch", writer: writer)
        case .abandoned(let batch): failed(batch, "abandoned", "given up before COMMIT was answered", writer: writer)
        case .failed(let batch, let error): failed(batch, error, writer: writer)
        }
    }

    func failed(_ batch: Batch, _ error: LoadingError, writer: Int) {
        failed(batch, error.code.rawValue, error.message, writer: writer)
    }

    private func failed(_ batch: Batch, _ code: String, _ message: String, writer: Int) {
        trace(batch, writer) { span, _ in
            let sqlState = batch.failures.last?.sqlState
            span.attributes["error.type"] = sqlState ?? code
            if let sqlState { span.attributes["db.response.status_code"] = sqlState }
            span.setStatus(SpanStatus(code: .error, message: message))
        }
    }

    /// Ends the spans of the group's commits that these offsets take in.
    func groupCommitted(_ offsets: [CommittedOffset], _ error: KafkaError?) {
        guard !unreported.isEmpty else { return }
        let now = DefaultTracerClock.now
        unreported = unreported.compactMap { batch in
            var batch = batch
            for offset in offsets where batch.ends[offset.partition].map({ $0 <= offset.offset }) ?? false {
                batch.ends[offset.partition] = nil
            }
            guard batch.ends.isEmpty else { return batch }
            child("group commit", .client, batch.context, batch.began, now) { span in
                span.attributes.merge([
                    "messaging.system": "kafka", "messaging.operation.type": "settle",
                    "messaging.operation.name": "commit", "messaging.consumer.group.name": .string(group),
                ])
                if let error {
                    span.attributes["error.type"] = error.code.name
                    span.setStatus(SpanStatus(code: .error, message: "\(error)"))
                }
            }
            return nil
        }
    }

    // MARK: Spans

    /// A moment by both clocks.
    private struct Moment {
        let wall = DefaultTracerClock.now
        let steady = ContinuousClock.now

        func wall(at instant: ContinuousClock.Instant) -> DefaultTracerClock.Timestamp { wall - (steady - instant) }
    }

    private func trace(_ batch: Batch, _ writer: Int, _ body: (any Span, Moment) -> Void) {
        let now = Moment()
        let began = DefaultTracerClock.Timestamp(nanosecondsSinceEpoch: UInt64(batch.began) * 1000)
        let topics = Set(batch.partitions.map(\.partition.topic))
        let topic = topics.count == 1 ? topics.first : nil
        let span: any Span = tracer.startSpan(
            topic.map { "load \($0)" } ?? "load", context: .topLevel, ofKind: .consumer, at: began)
        defer { span.end(at: now.wall) }
        guard span.isRecording else { return }
        let links = TraceLinks(of: batch)
        for parent in links.parents {
            var context = ServiceContext.topLevel
            tracer.extract(parent, into: &context, using: TraceParentExtractor())
            span.addLink(SpanLink(context: context, attributes: [:]))
        }
        span.attributes = attributes(of: batch, topic, writer, links)
        for failure in batch.failures {
            var attributes: SpanAttributes = [
                "error.type": .string(failure.sqlState ?? failure.code), "exception.message": .string(failure.reason),
            ]
            if let sqlState = failure.sqlState { attributes["db.response.status_code"] = sqlState }
            span.addEvent(SpanEvent(name: "attempt failed", at: now.wall(at: failure.time), attributes: attributes))
        }
        child("wait", .internal, span.context, began, began + batch.waiting) { _ in }
        if let building = batch.building {
            let built = now.wall(at: building.began)
            child("decode", .internal, span.context, built, built + building.duration) { _ in }
        }
        body(span, now)
    }

    private func attributes(of batch: Batch, _ topic: String?, _ writer: Int, _ links: TraceLinks) -> SpanAttributes {
        let ranges = batch.partitions.prefix(Self.maxRanges).map { "\($0.partition)@\($0.expected)..\($0.next)" }
        var attributes: SpanAttributes = [
            "messaging.system": "kafka", "messaging.operation.type": "process", "messaging.operation.name": "load",
            "messaging.batch.message_count": .int64(Int64(batch.messages.count)),
            "messaging.consumer.group.name": .string(group), "db.system.name": "postgresql",
            "loader.bytes": .int64(Int64(batch.arena.count)), "loader.writer": .int64(Int64(writer)),
            "loader.partitions": .int64(Int64(batch.partitions.count)), "loader.offsets": .stringArray(ranges),
            "loader.links_dropped": .int64(Int64(links.dropped)),
            "loader.failed_attempts": .int64(Int64(batch.failureCount)),
        ]
        if let topic { attributes["messaging.destination.name"] = topic }
        if batch.partitions.count == 1, let only = batch.partitions.first {
            attributes["messaging.destination.partition.id"] = String(only.partition.partition)
        }
        return attributes
    }

    private func loadedSpans(_ batch: Batch, _ loaded: BatchTransaction.Loaded, _ span: any Span, _ now: Moment) {
        span.attributes["loader.rows"] = loaded.rows
        span.attributes["loader.dead_letters"] = loaded.deadLetters.count
        if let committed = loaded.committed, let copying = loaded.copying, let committing = loaded.committing {
            let ended = now.wall(at: committed)
            let copied = ended - committing
            for (name, operation, from, to) in [
                ("copy", "COPY", copied - copying, copied), ("commit", "COMMIT", copied, ended),
            ] {
                child(name, .client, span.context, from, to) { span in
                    span.attributes.merge([
                        "db.system.name": "postgresql", "db.operation.name": .string(operation),
                    ])
                }
            }
        }
        if unreported.count == Self.maxUnreported { unreported.removeFirst() }
        unreported.append(
            Unreported(
                context: span.context, began: now.wall,
                ends: Dictionary(batch.partitions.map { ($0.partition, $0.next) }) { max($0, $1) }))
    }

    private func child(
        _ name: String, _ kind: SpanKind, _ parent: ServiceContext, _ began: DefaultTracerClock.Timestamp,
        _ ended: DefaultTracerClock.Timestamp, _ describe: (any Span) -> Void
    ) {
        let span: any Span = tracer.startSpan(name, context: parent, ofKind: kind, at: began)
        describe(span)
        span.end(at: ended)
    }
}

/// Gives a tracer the header that it reads a context from.
private struct TraceParentExtractor: Extractor {
    func extract(key: String, from carrier: TraceParent) -> String? {
        key.lowercased() == "traceparent" ? carrier.description : nil
    }
}

extension DefaultTracerClock.Timestamp {
    fileprivate static func + (time: Self, duration: Duration) -> Self {
        let (seconds, attoseconds) = duration.components
        let nanoseconds = seconds * 1_000_000_000 + attoseconds / 1_000_000_000
        return Self(nanosecondsSinceEpoch: UInt64(max(0, Int64(time.nanosecondsSinceEpoch) + nanoseconds)))
    }

    fileprivate static func - (time: Self, duration: Duration) -> Self { time + (.zero - duration) }
}
