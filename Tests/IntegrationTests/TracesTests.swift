import Foundation
import Kafka
import Loading
import TestSupport
import Testing

/// The traces of a running loader, as a receiver gets them.
@Suite("Traces")
struct TracesTests {
    /// No number of the spans, nor a piece of one.
    private static let refused = 8_203_477_119_206_553

    private static func traceParent(_ number: UInt64) -> Header {
        Header("traceparent", TraceParent(traceHigh: 7, traceLow: 7, span: number, isSampled: true).description)
    }

    /// One batch, unless it grows beyond 500 messages or a signal ends it.
    private static func patient(_ landing: Landing, _ more: [String: String]) -> [String: String] {
        landing.environment.merging(["LOADER_BATCH_MAX_DELAY": "10m"]) { $1 }.merging(more) { $1 }
    }

    @Test("a batch is a span with its phases and links to its messages' traces, a refused row and no value of it")
    func batch() async throws {
        let receiver = try await TraceReceiver()
        try await Landing.with(broker: .sharedReal(), server: TestDatabase.shared(), partitions: 2) { landing in
            try landing.schema.connect().execute("ALTER TABLE landed ADD CHECK (n <> \(Self.refused))")
            var messages = (0..<40).map { number in
                TestMessage(
                    partition: Int32(number % 2), key: nil, value: Landing.value(number),
                    headers: [Header("x", "y"), Self.traceParent(UInt64(number / 2 + 1))])
            }
            messages += (40..<60).map { number in
                TestMessage(
                    partition: 0, key: nil, value: Landing.value(number),
                    headers: [Self.traceParent(UInt64(number))])
            }
            messages.append(TestMessage(partition: 1, key: nil, value: Landing.value(Self.refused)))
            try landing.broker.produce(messages, to: landing.topic)
            let loader = try LoaderProcess(
                Self.patient(
                    landing,
                    ["OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, "OTEL_SERVICE_NAME": "orders-loader"]),
                arguments: ["--until-end"])
            #expect(try await loader.waitForExit() == 0)
            #expect(try landing.rowCount() == 60)

            let spans = receiver.spans
            let roots = spans.filter { $0.parentSpanId == nil }
            let root = try #require(roots.first)
            #expect(roots.count == 1)
            #expect(root.name == "load \(landing.topic)")
            #expect(root.kind == 5)
            #expect(root.status == nil)
            #expect(root["messaging.system"] == "kafka")
            #expect(root["messaging.destination.name"] == landing.topic)
            #expect(root["messaging.batch.message_count"] == "61")
            #expect(root["messaging.consumer.group.name"] == landing.group)
            #expect(root["db.system.name"] == "postgresql")
            #expect(root["loader.rows"] == "60")
            #expect(root["loader.dead_letters"] == "1")
            #expect(root["loader.partitions"] == "2")
            #expect(root.links.count == 32)
            #expect(Set(root.links.map(\.spanId)).count == 32)
            #expect(root["loader.links_dropped"] == "8")
            #expect(root.events.map { $0.attributes["db.response.status_code"] } == ["23514"])

            let children = Dictionary(grouping: spans.filter { $0.parentSpanId == root.spanId }, by: \.name)
            #expect(Set(children.keys) == ["wait", "decode", "copy", "commit", "group commit"])
            #expect(children.values.allSatisfy { $0.count == 1 && $0[0].traceId == root.traceId })
            for child in children.values.joined() {
                #expect(child.start >= root.start && child.start <= child.end, "\(child.name)")
                #expect(child.status == nil)
            }
            let order = ["wait", "decode", "copy", "commit", "group commit"].compactMap { children[$0]?.first?.start }
            #expect(order == order.sorted())
            let resource = receiver.requests.first?.document.resourceSpans.first?.resource.attributes
            #expect(resource?["service.name"] == "orders-loader")
            #expect(!"\(receiver.requests)".contains("\(Self.refused)"))
        }
        await receiver.stop()
    }

    @Test("what a batch waited for is on its span, with the SQLSTATE of each try")
    func outage() async throws {
        let receiver = try await TraceReceiver()
        let server = try PostgresServer()
        try TestDatabase.migrate(server.url)
        try await Landing.with(broker: .sharedReal(), server: server, partitions: 1) { landing in
            let loader = try LoaderProcess(
                landing.environment.merging([
                    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": receiver.endpoint + "/v1/traces"
                ]) { $1 })
            try landing.produce(0..<10)
            try await landing.waitForRows(10)
            try server.stop(.immediate)
            try landing.produce(10..<20)
            try await loader.waitForLog("the database is away")
            try server.start()
            try await landing.waitForRows(20)
            loader.kill(SIGTERM)
            #expect(try await loader.waitForExit() == 0)
            let waited = try #require(receiver.spans.last { $0["messaging.batch.message_count"] != nil })
            #expect(waited.status == nil)
            #expect(waited.events.allSatisfy { $0.name == "attempt failed" && $0.attributes["error.type"] != nil })
            #expect(!waited.events.isEmpty)
            #expect(waited["loader.failed_attempts"].flatMap { Int($0) } ?? 0 >= waited.events.count)
        }
        await receiver.stop()
    }

    @Test(
        "without an endpoint, or switched off, nothing is sent, whatever other variables are set",
        arguments: [
            ["OTEL_EXPORTER_OTLP_ENDPOINT": ""], ["OTEL_SDK_DISABLED": "true"], ["OTEL_TRACES_EXPORTER": "none"],
        ])
    func off(variables: [String: String]) async throws {
        let receiver = try await TraceReceiver()
        try await Landing.with(broker: .sharedReal(), server: TestDatabase.shared(), partitions: 1) { landing in
            try landing.broker.produce(
                [TestMessage(partition: 0, key: nil, value: Landing.value(1), headers: [Self.traceParent(1)])],
                to: landing.topic)
            let base = ["OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, "OTEL_SERVICE_NAME": "x"]
            let loader = try LoaderProcess(
                landing.environment.merging(base) { $1 }.merging(variables) { $1 }, arguments: ["--until-end"])
            #expect(try await loader.waitForExit() == 0)
            #expect(try landing.rowCount() == 1)
            #expect(!loader.output.contains("traces"))
            #expect(receiver.requestCount == 0)
        }
        await receiver.stop()
    }

    @Test("a receiver that is away or never answers holds up neither the loading nor, beyond some seconds, the end")
    func unreachable() async throws {
        let silent = try await TraceReceiver(isSilent: true)
        for endpoint in ["http://127.0.0.1:\(try freeLoopbackPort())", silent.endpoint] {
            try await Landing.with(broker: .sharedReal(), server: TestDatabase.shared(), partitions: 2) { landing in
                try landing.produce(0..<5000)
                // Far more spans than fit the queue: five a batch.
                let loader = try LoaderProcess(
                    landing.environment.merging([
                        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "LOADER_BATCH_MAX_ROWS": "5",
                        "LOADER_SHUTDOWN_TIMEOUT": "60s",
                    ]) { $1 }, arguments: ["--until-end"])
                #expect(try await loader.waitForExit() == 0)
                try landing.expectExactlyOnce()
                let said = loader.output.contains("traces cannot be delivered")
                let unsent = loader.output.contains("the last traces were not delivered in time")
                #expect(said || unsent, "\(loader.output)")
            }
        }
        await silent.stop()
    }

    @Test("a mistake in OpenTelemetry's variables ends the start with 78 and says what to set")
    func mistake() async throws {
        try await Landing.with(broker: .sharedReal(), server: TestDatabase.shared(), partitions: 1) { landing in
            let loader = try LoaderProcess(
                landing.environment.merging([
                    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                ]) { $1 })
            #expect(try await loader.waitForExit() == 78)
            #expect(loader.output.contains("OTEL_EXPORTER_OTLP_PROTOCOL: only OTLP over HTTP is spoken"))
        }
    }
}
