import InMemoryTracing
import Kafka
import Postgres
import Testing
import Tracing

@testable import Loading

@Suite("The spans of a batch")
struct BatchTracingTests {
    private let tracer = InMemoryTracer()

    private func parent(_ number: UInt64, isSampled: Bool = true) -> TraceParent {
        TraceParent(traceHigh: number, traceLow: 1, span: number, isSampled: isSampled)
    }

    private func loaded() -> BatchTransaction.Loaded {
        BatchTransaction.Loaded(
            rows: 1, copying: .milliseconds(30), committing: .milliseconds(10), committed: .now - .milliseconds(5))
    }

    private func nanoseconds(_ span: FinishedInMemorySpan) -> UInt64 {
        span.endInstant.nanosecondsSinceEpoch - span.startInstant.nanosecondsSinceEpoch
    }

    @Test("a loaded batch is a consumer's span with the phases that it went through as children")
    func loadedBatch() throws {
        let batch = Batch.withHeaders([[]])
        batch.waiting = .milliseconds(20)
        batch.noteBuilding(since: .now - .milliseconds(5))
        let tracing = BatchTracing(tracer, group: "g")
        tracing.settle(.loaded(batch, loaded()), writer: 0)
        let spans = Dictionary(grouping: tracer.finishedSpans, by: \.operationName).mapValues { $0[0] }
        #expect(Set(spans.keys) == ["load orders", "wait", "decode", "copy", "commit"])
        let root = try #require(spans["load orders"])
        #expect(root.parentSpanID == nil)
        #expect(root.kind == .consumer)
        #expect(root.status == nil)
        #expect(root.attributes.get("messaging.system") == .string("kafka"))
        #expect(root.attributes.get("messaging.batch.message_count") == .int64(1))
        #expect(root.attributes.get("messaging.consumer.group.name") == .string("g"))
        #expect(root.attributes.get("messaging.destination.partition.id") == .string("0"))
        #expect(root.attributes.get("loader.offsets") == .stringArray(["orders[0]@0..1"]))
        let children = try ["wait", "copy", "commit"].map { try #require(spans[$0]) }
        #expect(children.allSatisfy { $0.parentSpanID == root.spanID && $0.traceID == root.traceID })
        #expect(children.map(nanoseconds) == [20_000_000, 30_000_000, 10_000_000])
        #expect(
            children[1].endInstant.nanosecondsSinceEpoch == children[2].startInstant.nanosecondsSinceEpoch)
    }

    @Test("the group's commit is a child once all partitions of the batch are told, and a refusal is its error")
    func groupCommit() throws {
        let tracing = BatchTracing(tracer, group: "g")
        func commits() -> [FinishedInMemorySpan] {
            tracer.finishedSpans.filter { $0.operationName == "group commit" }
        }
        func told(_ partition: Int32, _ offset: Int64) -> [CommittedOffset] {
            [
                CommittedOffset(
                    partition: TopicPartition(topic: "orders", partition: partition), offset: offset, metadata: "")
            ]
        }
        let batch = Batch.withHeaders([[], []])
        _ = batch.addRange(of: TopicPartition(topic: "orders", partition: 1), expected: 7)
        tracing.settle(.loaded(batch, loaded()), writer: 0)
        tracing.groupCommitted(told(0, 1), nil)
        tracing.groupCommitted(told(1, 7), nil)
        #expect(commits().isEmpty)
        tracing.groupCommitted(told(0, 2), nil)
        #expect(commits().count == 1)
        #expect(commits()[0].status == nil)
        tracing.groupCommitted(told(0, 2), nil)
        #expect(commits().count == 1)

        tracing.settle(.loaded(Batch.withHeaders([[]]), loaded()), writer: 0)
        tracing.groupCommitted(told(0, 1), KafkaError(code: .timedOut, operation: "commit"))
        #expect(commits().last?.status?.code == .error)
        #expect(commits().last?.attributes.get("error.type") == .string(KafkaErrorCode.timedOut.name))
    }

    @Test("a batch that failed has its tries as events and ends with the SQLSTATE")
    func failedBatch() throws {
        let batch = Batch.withHeaders([[]])
        let tracing = BatchTracing(tracer, group: "g")
        let error = PostgresError(.server, sqlState: SQLState(rawValue: "42501"), message: "permission denied")
        batch.noteFailure(code: "connectionLost", "connection lost")
        batch.noteFailure(sqlState: "42501", code: error.code.rawValue, "\(error)")
        tracing.settle(.failed(batch, .database(error, batch)), writer: 0)
        let root = try #require(tracer.finishedSpans.last)
        #expect(root.status?.code == .error)
        #expect(root.attributes.get("error.type") == .string("42501"))
        #expect(root.attributes.get("db.response.status_code") == .string("42501"))
        #expect(root.events.map(\.name) == ["attempt failed", "attempt failed"])
        #expect(root.events.map { $0.attributes.get("error.type") } == [.string("connectionLost"), .string("42501")])
    }

    @Test("of the failures of a long outage the first are kept and all are counted")
    func manyFailures() {
        let batch = Batch()
        for _ in 0..<1000 { batch.noteFailure(code: "connectionFailed", "no connection") }
        #expect(batch.failures.count == 32)
        #expect(batch.failureCount == 1000)
        batch.removeAll(keepingAtMost: 1 << 20)
        #expect(batch.failures.isEmpty && batch.failureCount == 0)
    }

    @Test("links go to each sampled trace once, up to the limit; messages beyond it are counted")
    func links() {
        let other = ("other", "x")
        var headers: [[(String, String?)]] = [
            [other, ("traceparent", parent(1).description)], [("traceparent", parent(1).description)],
            [("traceparent", parent(2, isSampled: false).description)], [("traceparent", "nonsense")],
            [("traceparent", nil)], [], [other],
        ]
        #expect(TraceLinks(of: .withHeaders(headers)).parents == [parent(1)])
        headers += (10..<50).map { [("traceparent", parent($0).description)] }
        let links = TraceLinks(of: .withHeaders(headers))
        #expect(links.parents == [parent(1)] + (10..<41).map { parent($0) })
        #expect(links.dropped == 9)
    }

    @Test("the tracer reads the links from the header itself, so that any backend can")
    func extraction() throws {
        let batch = Batch.withHeaders([[("traceparent", parent(1).description)]])
        BatchTracing(tracer, group: "g").settle(.abandoned(batch), writer: 0)
        #expect(tracer.performedContextExtractions.count == 1)
        #expect(tracer.performedContextExtractions.first?.carrier as? TraceParent == parent(1))
        #expect(tracer.finishedSpans.last?.links.count == 1)
    }
}

extension Batch {
    /// Messages of orders[0] from offset 0 on, with nothing but headers.
    fileprivate static func withHeaders(_ messages: [[(name: String, value: String?)]]) -> Batch {
        let batch = Batch()
        let range = batch.addRange(of: TopicPartition(topic: "orders", partition: 0), expected: 0)
        func append(_ text: String?) {
            batch.arena.append(Int32(text?.utf8.count ?? -1))
            var text = text ?? ""
            text.withUTF8 { batch.arena.append(UnsafeRawBufferPointer($0)) }
        }
        for (offset, headers) in messages.enumerated() {
            let start = batch.arena.count
            for header in headers {
                append(header.name)
                append(header.value)
            }
            _ = batch.append(
                MessageRecord(
                    partition: range, offset: Int64(offset), timestamp: 0, start: start, valueCount: -1, keyCount: -1,
                    headersCount: Int32(batch.arena.count - start)))
            batch.advance(range, past: Int64(offset))
        }
        return batch
    }
}
