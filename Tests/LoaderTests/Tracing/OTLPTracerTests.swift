import Foundation
import Loading
import Synchronization
import TestSupport
import Testing
import Tracing

@testable import Loader

@Suite("OTLP spans")
struct OTLPTracerTests {
    private final class Spans: Sendable {
        let ended = Mutex<[OTLPDocument.Span]>([])
    }

    private func tracer(_ share: Double = 1) -> (OTLPTracer, Spans) {
        let spans = Spans()
        return (OTLPTracer(sampledShare: share) { span in spans.ended.withLock { $0.append(span) } }, spans)
    }

    private struct Refusal: Error {}

    @Test(
        "a span is written as OTLP's JSON has it: hexadecimal ids, 64-bit numbers as text, kinds and states as numbers")
    func document() throws {
        let (tracer, spans) = tracer()
        let root = tracer.startSpan(
            "load orders", context: .topLevel, ofKind: .consumer,
            at: DefaultTracerClock.Timestamp(nanosecondsSinceEpoch: 1_700_000_000_123_456_789))
        root.attributes = [
            "text": "a \"quoted\"\n\u{7f}ö", "number": .int64(.max), "share": 0.5, "truth": true,
            "list": .stringArray(["a", "b"]), "infinite": .double(.infinity),
        ]
        var context = ServiceContext.topLevel
        let parent = TraceParent(traceHigh: 1, traceLow: 2, span: 3, isSampled: true)
        context.traceParent = parent
        root.addLink(SpanLink(context: context, attributes: [:]))
        root.addEvent(SpanEvent(name: "attempt failed", attributes: ["error.type": "40001"]))
        root.recordError(Refusal())
        root.setStatus(SpanStatus(code: .error, message: "refused"))
        let child = tracer.startSpan("copy", context: root.context, ofKind: .client)
        child.end()
        root.end(at: DefaultTracerClock.Timestamp(nanosecondsSinceEpoch: 1_700_000_001_000_000_000))
        // Ended is ended.
        root.end()
        root.attributes["late"] = "x"

        let ended = spans.ended.withLock { $0 }
        #expect(ended.count == 2)
        let data = try OTLPDocument(ended, resource: ["service.name": "orders"]).encoded()
        let document = try JSONDecoder().decode(TraceDocument.self, from: data)
        #expect(document.resourceSpans[0].resource.attributes["service.name"] == "orders")
        let (copy, load) = (document.spans[0], document.spans[1])
        #expect(load.traceId.count == 32 && load.spanId.count == 16 && load.parentSpanId == nil)
        #expect(copy.traceId == load.traceId && copy.parentSpanId == load.spanId && copy.spanId != load.spanId)
        #expect((load.kind, copy.kind) == (5, 3))
        #expect((load.startTimeUnixNano, load.end) == ("1700000000123456789", 1_700_000_001_000_000_000))
        #expect(load["text"] == "a \"quoted\"\n\u{7f}ö")
        #expect(load["number"] == "9223372036854775807")
        #expect(load.attributes.first { $0.key == "share" }?.value.doubleValue == 0.5)
        #expect(load.attributes.first { $0.key == "truth" }?.value.boolValue == true)
        #expect(
            load.attributes.first { $0.key == "list" }?.value.arrayValue?.values.map(\.stringValue) == ["a", "b"])
        #expect(load["infinite"] == "inf")
        #expect(load["late"] == nil)
        #expect(load.links.map(\.traceId) == [parent.traceID] && load.links.map(\.spanId) == [parent.spanID])
        #expect(load.events.map(\.name) == ["attempt failed", "exception"])
        #expect(load.events[0].attributes["error.type"] == "40001")
        #expect(load.status?.code == 2 && load.status?.message == "refused")
        #expect(copy.status == nil)
    }

    @Test("a trace is sampled whole or not at all, and the share decides how many are", arguments: [0, 0.25, 1])
    func sampling(share: Double) {
        let (tracer, spans) = tracer(share)
        let count = 4000
        for _ in 0..<count {
            let root = tracer.startSpan("load", context: .topLevel)
            let child = tracer.startSpan("copy", context: root.context)
            #expect(root.isRecording == child.isRecording)
            child.end()
            root.end()
        }
        let ended = spans.ended.withLock { $0.count } / 2
        // Six standard deviations of so many coins.
        #expect(abs(Double(ended) - Double(count) * share) <= 6 * (Double(count) * share * (1 - share)).squareRoot())
    }

    @Test("a context goes through traceparent and back; what is none is left alone")
    func propagation() {
        struct Carrier: Injector, Extractor {
            func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) {
                carrier[key] = value
            }
            func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
        }
        let (tracer, _) = tracer()
        let span = tracer.startSpan("load", context: .topLevel)
        var headers: [String: String] = [:]
        tracer.inject(span.context, into: &headers, using: Carrier())
        var context = ServiceContext.topLevel
        tracer.extract(["traceparent": "nonsense"], into: &context, using: Carrier())
        #expect(context.traceParent == nil)
        tracer.extract(headers, into: &context, using: Carrier())
        #expect(context.traceParent != nil && context.traceParent == span.context.traceParent)
    }
}
