import Foundation
import Loading
import Logging
import TestSupport
import Testing

@testable import Loader

@Suite("Sending traces")
struct OTLPExporterTests {
    private func exporter(
        _ endpoint: String, _ statistics: LoadingStatistics, _ more: [String: String] = [:]
    ) throws -> OTLPExporter {
        // A receiver in the same, busy process may take longer than the ten seconds of the default.
        let environment = ["OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_TIMEOUT": "120000"]
            .merging(more) { $1 }
        let settings = try #require(try TracingSettings(environment: environment))
        return OTLPExporter(
            settings, statistics: statistics, logger: Logger(label: "t") { _ in SwiftLogNoOpLogHandler() })
    }

    private func add(_ count: Int, to exporter: OTLPExporter) {
        let tracer = exporter.makeTracer()
        for number in 0..<count { tracer.startSpan("load \(number)", context: .topLevel).end() }
    }

    /// Off Swift's own threads, of which there are few.
    private func stop(_ exporter: OTLPExporter, within seconds: Double) async {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                exporter.stop(until: .now + .seconds(seconds))
                continuation.resume()
            }
        }
    }

    @Test("a stop sends what is left, with the resource and the headers that were asked for")
    func stop() async throws {
        let receiver = try await TraceReceiver()
        let statistics = LoadingStatistics()
        let exporter = try exporter(
            receiver.endpoint + "/base", statistics,
            ["OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20t", "OTEL_SERVICE_NAME": "orders"])
        add(700, to: exporter)
        await stop(exporter, within: 120)
        #expect(receiver.spans.map(\.name) == (0..<700).map { "load \($0)" })
        let request = try #require(receiver.requests.first)
        #expect(request.path == "/base/v1/traces")
        #expect(request.headers["content-type"] == "application/json")
        #expect(request.headers["authorization"] == "Bearer t")
        let resource = try #require(request.document.resourceSpans.first?.resource.attributes)
        #expect(resource["service.name"] == "orders")
        #expect(resource["service.version"] == Version.loader)
        #expect(statistics.snapshot.spansDelivered == 700)
        #expect(statistics.snapshot.spansDropped == 0)
        await receiver.stop()
    }

    @Test("a receiver that is busy gets the same again; one that refuses does not, and the operator is told once")
    func answers() async throws {
        let busy = try await TraceReceiver(statuses: [503, 429])
        let statistics = LoadingStatistics()
        let first = try exporter(busy.endpoint, statistics)
        add(600, to: first)
        try await eventually("they are delivered") { statistics.snapshot.spansDelivered >= 512 }
        #expect(busy.requestCount == 3)
        await stop(first, within: 60)
        #expect(statistics.snapshot.spansDelivered == 600)
        #expect(statistics.snapshot.incidents.map(\.code) == ["http_503"])
        await busy.stop()

        let refusing = try await TraceReceiver(statuses: [400, 400])
        let second = try exporter(refusing.endpoint, statistics)
        add(1024, to: second)
        try await eventually("they are dropped") { statistics.snapshot.spansDropped == 1024 }
        await stop(second, within: 60)
        #expect(refusing.requestCount == 2)
        #expect(statistics.snapshot.incidents.last?.code == "http_400")
        #expect(statistics.snapshot.incidents.last?.count == 1)
        await refusing.stop()
    }

    @Test("with a receiver that never answers spans are taken without waiting, dropped beyond the queue, and counted")
    func silence() async throws {
        let receiver = try await TraceReceiver(isSilent: true)
        let statistics = LoadingStatistics()
        let exporter = try exporter(receiver.endpoint, statistics, ["OTEL_EXPORTER_OTLP_TIMEOUT": "300"])
        add(20_000, to: exporter)
        try await eventually("it is told") { !statistics.snapshot.incidents.isEmpty }
        await stop(exporter, within: 5)
        #expect(statistics.snapshot.spansDelivered == 0)
        #expect(statistics.snapshot.spansDropped >= 20_000 - 2 * OTLPExporter.queueLimit)
        await receiver.stop()
    }
}
