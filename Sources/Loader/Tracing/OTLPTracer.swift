import Loading
import Synchronization
import Tracing

/// A tracer whose spans are handed on as OTLP has them.
///
/// It makes trace and span ids, samples by trace id, and reads `traceparent`; everything else is the exporter's.
final class OTLPTracer: Tracer {
    private let bound: UInt64
    private let deliver: @Sendable (OTLPDocument.Span) -> Void

    /// - Parameters:
    ///   - sampledShare: the share of traces that are recorded, 0…1.
    ///   - deliver: takes a span that has ended; must not wait.
    init(sampledShare: Double, deliver: @escaping @Sendable (OTLPDocument.Span) -> Void) {
        // As OpenTelemetry's TraceIdRatioBased does it: by 63 bits of the trace id, so that all who see it decide alike.
        let limit = 1 << 63 as UInt64
        bound = sampledShare >= 1 ? limit : UInt64(max(0, sampledShare) * Double(limit))
        self.deliver = deliver
    }

    func startSpan<Instant: TracerInstant>(
        _ operationName: String, context: @autoclosure () -> ServiceContext, ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant, function: String, file fileID: String, line: UInt
    ) -> OTLPSpan {
        var context = context()
        let parent = context.traceParent
        let high = parent?.traceHigh ?? .random(in: .min ... .max)
        let low = parent?.traceLow ?? .random(in: 1 ... .max)
        let this = TraceParent(
            traceHigh: high, traceLow: low, span: .random(in: 1 ... .max),
            isSampled: parent?.isSampled ?? (low >> 1 < bound))
        context.traceParent = this
        return OTLPSpan(
            OTLPDocument.Span(this, parent: parent, operationName, kind, began: instant().nanosecondsSinceEpoch),
            context: context, isRecording: this.isSampled, deliver)
    }

    /// The exporter flushes when the process stops.
    func forceFlush() {}

    func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier, into context: inout ServiceContext, using extractor: Extract
    ) where Extract.Carrier == Carrier {
        if let parent = extractor.extract(key: "traceparent", from: carrier).flatMap({ TraceParent($0) }) {
            context.traceParent = parent
        }
    }

    func inject<Carrier, Inject: Injector>(
        _ context: ServiceContext, into carrier: inout Carrier, using injector: Inject
    ) where Inject.Carrier == Carrier {
        if let parent = context.traceParent {
            injector.inject(parent.description, forKey: "traceparent", into: &carrier)
        }
    }
}

extension ServiceContext {
    private enum TraceParentKey: ServiceContextKey {
        typealias Value = TraceParent
    }

    /// The span that this context stands in.
    var traceParent: TraceParent? {
        get { self[TraceParentKey.self] }
        set { self[TraceParentKey.self] = newValue }
    }
}

/// A span until it has ended. Safe from any thread.
final class OTLPSpan: Tracing.Span {
    let context: ServiceContext
    let isRecording: Bool
    private let deliver: @Sendable (OTLPDocument.Span) -> Void
    private let state: Mutex<State>

    private struct State {
        var span: OTLPDocument.Span
        var attributes = SpanAttributes()
        var hasEnded = false
    }

    init(
        _ span: OTLPDocument.Span, context: ServiceContext, isRecording: Bool,
        _ deliver: @escaping @Sendable (OTLPDocument.Span) -> Void
    ) {
        self.context = context
        self.isRecording = isRecording
        self.deliver = deliver
        state = Mutex(State(span: span))
    }

    private func record(_ body: (inout State) -> Void) {
        guard isRecording else { return }
        state.withLock { if !$0.hasEnded { body(&$0) } }
    }

    var operationName: String {
        get { state.withLock { $0.span.name } }
        set { record { $0.span.name = newValue } }
    }

    var attributes: SpanAttributes {
        get { state.withLock { $0.attributes } }
        set { record { $0.attributes = newValue } }
    }

    func setStatus(_ status: SpanStatus) { record { $0.span.status = OTLPDocument.Status(status) } }

    func addEvent(_ event: SpanEvent) { record { $0.span.events.append(OTLPDocument.Event(event)) } }

    func addLink(_ link: SpanLink) {
        guard let parent = link.context.traceParent else { return }
        record { $0.span.links.append(OTLPDocument.Link(parent, link.attributes)) }
    }

    func recordError<Instant: TracerInstant>(
        _ error: any Error, attributes: SpanAttributes, at instant: @autoclosure () -> Instant
    ) {
        var all: SpanAttributes = [
            "exception.type": .string("\(type(of: error))"), "exception.message": .string("\(error)"),
        ]
        all.merge(attributes)
        addEvent(SpanEvent(name: "exception", at: instant(), attributes: all))
    }

    func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
        var ended: OTLPDocument.Span?
        record { state in
            state.hasEnded = true
            state.span.end(at: instant().nanosecondsSinceEpoch, state.attributes)
            ended = state.span
        }
        if let ended { deliver(ended) }
    }
}
