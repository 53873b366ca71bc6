import Foundation
import Kafka
import Loading
import Logging
import Operating
import Synchronization

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// Posts spans to a receiver of OTLP over HTTP, from a thread of its own.
///
/// Whoever ends a span never waits: spans queue up to a limit, and beyond it they are dropped and counted.
///
/// Unchecked: everything that two threads touch is in `state`, under `condition`.
final class OTLPExporter: @unchecked Sendable {
    private struct State {
        var queue: [OTLPDocument.Span] = []
        /// Of those that did not fit since the last lot was taken.
        var overflow = 0
        /// Set by a stop: until when to try.
        var deadline: ContinuousClock.Instant?
        var hasEnded = false
    }

    /// What a receiver said.
    private enum Answer {
        case accepted(rejected: Int)
        /// May be tried again, after a while if it said so.
        case away(code: String, reason: String, retryAfter: Double?)
        case refused(code: String, reason: String)
    }

    /// OpenTelemetry's own defaults for a batch span processor.
    static let queueLimit = 2048
    private static let lotSize = 512
    private static let interval = 5.0
    /// How often a lot is tried: for half a minute, as long as a receiver may take to restart.
    private static let maxAttempts = 10

    private let settings: TracingSettings
    private let resource: [String: String]
    private let statistics: LoadingStatistics
    private let logger: Logger
    private let session: URLSession
    private let condition = MonotonicCondition()
    private var state = State()

    init(_ settings: TracingSettings, statistics: LoadingStatistics, logger: Logger) {
        self.settings = settings
        self.statistics = statistics
        self.logger = logger
        resource = [
            "service.name": "loader", "service.version": Version.loader,
            "service.instance.id": UUID().uuidString.lowercased(),
            "process.pid": String(ProcessInfo.processInfo.processIdentifier),
            "telemetry.sdk.name": "loader", "telemetry.sdk.language": "swift",
            "telemetry.sdk.version": Version.loader,
        ].merging(settings.resource) { $1 }
        let configuration = URLSessionConfiguration.ephemeral
        configuration.timeoutIntervalForRequest = settings.timeout.inSeconds
        configuration.httpMaximumConnectionsPerHost = 1
        configuration.httpCookieStorage = nil
        configuration.urlCache = nil
        session = URLSession(configuration: configuration)
        logger.info("sending traces", metadata: ["endpoint": "\(place)", "protocol": "http/json"])
        if settings.asksForProtobuf {
            statistics.report(
                Incident(
                    .warning, "traces are sent as http/json, though http/protobuf is asked for", at: place,
                    mend: "set OTEL_EXPORTER_OTLP_PROTOCOL to http/json; receivers take both at the same port and path"),
                to: logger)
        }
        let thread = Thread { [self] in run() }
        thread.name = "traces"
        thread.start()
    }

    func makeTracer() -> OTLPTracer {
        OTLPTracer(sampledShare: settings.sampledShare) { [self] span in add(span) }
    }

    /// Takes a span, or counts it as dropped.
    func add(_ span: OTLPDocument.Span) {
        condition.withLock {
            guard state.queue.count < Self.queueLimit, state.deadline == nil else {
                state.overflow += 1
                return
            }
            state.queue.append(span)
            if state.queue.count == Self.lotSize { condition.broadcast() }
        }
    }

    /// Sends what is left, and ends the thread. What a receiver does not take in time is dropped.
    func stop(until deadline: ContinuousClock.Instant) {
        condition.withLock {
            state.deadline = deadline
            condition.broadcast()
            while !state.hasEnded, condition.wait(until: deadline) {}
            if !state.hasEnded { logger.notice("the last traces were not delivered in time") }
        }
        session.invalidateAndCancel()
    }

    // MARK: The thread

    private func run() {
        var isAway = false
        while let (spans, overflow) = nextLot() {
            count(dropped: overflow)
            deliver(spans, &isAway)
        }
        condition.withLock {
            state.hasEnded = true
            condition.broadcast()
        }
    }

    /// Waits until there is something to send.
    ///
    /// - Returns: nil when all is sent, or given up, and no more comes.
    private func nextLot() -> (spans: [OTLPDocument.Span], overflow: Int)? {
        condition.withLock {
            let due = ContinuousClock.now + .seconds(Self.interval)
            while state.deadline == nil, state.queue.count < Self.lotSize, condition.wait(until: due) {}
            if state.deadline != nil, state.queue.isEmpty, state.overflow == 0 { return nil }
            let spans = Array(state.queue.prefix(Self.lotSize))
            state.queue.removeFirst(spans.count)
            defer { state.overflow = 0 }
            return (spans, state.overflow)
        }
    }

    private func deliver(_ spans: [OTLPDocument.Span], _ isAway: inout Bool) {
        guard !spans.isEmpty, let body = try? OTLPDocument(spans, resource: resource).encoded() else { return }
        var backoff = Backoff()
        while timeLeft > 0 {
            // A stop waits for no receiver that is away.
            let isLast = isStopping
            switch post(body) {
            case .accepted(let rejected):
                statistics.countSpans(delivered: spans.count - rejected, dropped: rejected)
                if isAway {
                    statistics.end(Self.undelivered)
                    logger.notice("traces are delivered again")
                }
                isAway = false
                return
            case .refused(let code, let reason):
                say(code, reason, &isAway)
                return count(dropped: spans.count)
            case .away(let code, let reason, let retryAfter):
                say(code, reason, &isAway)
                guard !isLast, backoff.attempts < Self.maxAttempts else { return count(dropped: spans.count) }
                pause(max(backoff.next().inSeconds, min(retryAfter ?? 0, 60)))
            }
        }
        count(dropped: spans.count)
    }

    private func post(_ body: Data) -> Answer {
        var request = URLRequest(url: settings.endpoint, timeoutInterval: settings.timeout.inSeconds)
        request.httpMethod = "POST"
        request.httpBody = body
        request.setValue("loader/\(Version.loader)", forHTTPHeaderField: "User-Agent")
        for (name, value) in settings.headers { request.setValue(value, forHTTPHeaderField: name) }
        request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        let done = DispatchSemaphore(value: 0)
        let answer = Mutex<Answer?>(nil)
        let task = session.dataTask(with: request) { data, response, error in
            answer.withLock { $0 = Self.answer(data, response as? HTTPURLResponse, error) }
            done.signal()
        }
        task.resume()
        guard done.wait(timeout: .now() + min(settings.timeout.inSeconds, timeLeft)) == .success else {
            task.cancel()
            return .away(code: "timed_out", reason: "no answer in time", retryAfter: nil)
        }
        return answer.withLock { $0 } ?? .away(code: "no_answer", reason: "no answer", retryAfter: nil)
    }

    /// https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
    private static func answer(_ data: Data?, _ response: HTTPURLResponse?, _ error: (any Error)?) -> Answer {
        guard let response else {
            let error = error as? URLError
            return .away(
                code: error.map { "url_error_\($0.code.rawValue)" } ?? "no_answer",
                reason: error?.localizedDescription ?? "no answer", retryAfter: nil)
        }
        let (code, reason) = ("http_\(response.statusCode)", "HTTP status \(response.statusCode)")
        switch response.statusCode {
        case 200..<300:
            let partial = data.flatMap { try? JSONDecoder().decode(Acceptance.self, from: $0) }?.partialSuccess
            return .accepted(rejected: partial?.rejected ?? 0)
        case 429, 502, 503, 504:
            return .away(
                code: code, reason: reason,
                retryAfter: response.value(forHTTPHeaderField: "Retry-After").flatMap(Double.init))
        default: return .refused(code: code, reason: reason)
        }
    }

    /// What the body of an answer may say.
    private struct Acceptance: Decodable {
        struct Partial: Decodable {
            var rejectedSpans: String?
            var rejected: Int { rejectedSpans.flatMap { Int($0) } ?? 0 }
        }
        var partialSuccess: Partial?
    }

    private static let undelivered = Incident.Cause.named("traces are not delivered")

    private func say(_ code: String, _ reason: String, _ isAway: inout Bool) {
        guard !isAway else { return }
        isAway = true
        statistics.report(
            Incident(
                .warning,
                "traces cannot be delivered; they are kept for a moment and then dropped, and loading goes on",
                code: code, error: reason, at: place,
                mend: "see that a receiver of OTLP over HTTP listens there, usually on port 4318, and lets this one in",
                until: Self.undelivered),
            to: logger)
    }

    /// Without a user's name and password, if the URL has them.
    private var place: String {
        guard var parts = URLComponents(url: settings.endpoint, resolvingAgainstBaseURL: false) else { return "" }
        (parts.user, parts.password, parts.query) = (nil, nil, nil)
        return parts.string ?? ""
    }

    private func count(dropped: Int) { if dropped > 0 { statistics.countSpans(dropped: dropped) } }

    private var isStopping: Bool { condition.withLock { state.deadline != nil } }

    /// In seconds; without end while nobody stops it.
    private var timeLeft: Double { condition.withLock { state.deadline.map { ($0 - .now).inSeconds } ?? .infinity } }

    /// Waits, unless it is stopped in the meantime.
    private func pause(_ seconds: Double) {
        let due = ContinuousClock.now + .seconds(seconds)
        condition.withLock {
            while state.deadline == nil, condition.wait(until: due) {}
        }
    }
}
