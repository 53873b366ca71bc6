import FlyingFox
import Foundation
import Synchronization

/// A receiver of OTLP over HTTP on the loopback interface, that keeps what it is sent.
public final class TraceReceiver: Sendable {
    public struct Request: Sendable {
        public var path: String
        /// By lowercase names.
        public var headers: [String: String]
        public var document: TraceDocument
    }

    public let port: UInt16
    private let server: HTTPServer
    private let task: Task<Void, any Error>
    private let received: Received

    private final class Received: Sendable {
        let requests = Mutex<[Request]>([])
        let count = Mutex(0)
    }

    /// - Parameters:
    ///   - statuses: what the first requests are answered with; the others with 200.
    ///   - isSilent: never answers at all.
    public init(statuses: [Int] = [], isSilent: Bool = false) async throws {
        let port = try freeLoopbackPort()
        let received = Received()
        let handler = ClosureHTTPHandler { request in
            let document = try JSONDecoder().decode(TraceDocument.self, from: try await request.bodyData)
            let number = received.count.withLock { count in
                defer { count += 1 }
                return count
            }
            if isSilent { try await Task.sleep(for: .seconds(3600)) }
            let status = number < statuses.count ? statuses[number] : 200
            if status == 200 {
                let headers = request.headers.map { ($0.key.rawValue.lowercased(), $0.value) }
                received.requests.withLock {
                    $0.append(
                        Request(
                            path: request.path, headers: Dictionary(headers) { $1 }, document: document))
                }
            }
            return HTTPResponse(
                statusCode: HTTPStatusCode(status, phrase: "Test"), headers: [.contentType: "application/json"],
                body: Data("{}".utf8))
        }
        // A handler may wait long for a thread where other tests run.
        server = HTTPServer(
            address: try .inet(ip4: "127.0.0.1", port: port), timeout: 600, logger: .disabled, handler: handler)
        self.port = port
        self.received = received
        task = Task { [server] in try await server.run() }
        try await server.waitUntilListening(timeout: 60)
    }

    public func stop() async {
        await server.stop()
        _ = await task.result
    }

    public var endpoint: String { "http://127.0.0.1:\(port)" }
    /// The accepted ones.
    public var requests: [Request] { received.requests.withLock { $0 } }
    /// How many came, accepted or not.
    public var requestCount: Int { received.count.withLock { $0 } }
    public var spans: [TraceDocument.Span] { requests.flatMap(\.document.spans) }
}

/// What is posted to `/v1/traces`, as a receiver reads it.
public struct TraceDocument: Decodable, Sendable {
    public struct Value: Decodable, Sendable {
        public var stringValue: String?
        public var intValue: String?
        public var doubleValue: Double?
        public var boolValue: Bool?
        public var arrayValue: List?
    }
    public struct List: Decodable, Sendable { public var values: [Value] }
    public struct Attribute: Decodable, Sendable {
        public var key: String
        public var value: Value
    }
    public struct Event: Decodable, Sendable {
        public var timeUnixNano: String
        public var name: String
        public var attributes: [Attribute]
    }
    public struct Link: Decodable, Sendable { public var traceId, spanId: String }
    public struct Status: Decodable, Sendable {
        public var code: Int
        public var message: String?
    }
    public struct Span: Decodable, Sendable {
        public var traceId, spanId: String
        public var parentSpanId: String?
        public var name: String
        public var kind: Int
        public var startTimeUnixNano, endTimeUnixNano: String
        public var attributes: [Attribute]
        public var events: [Event]
        public var links: [Link]
        public var status: Status?

        public subscript(name: String) -> String? { attributes[name] }
        public var start: UInt64 { UInt64(startTimeUnixNano) ?? 0 }
        public var end: UInt64 { UInt64(endTimeUnixNano) ?? 0 }
    }
    public struct Resource: Decodable, Sendable { public var attributes: [Attribute] }
    public struct ScopeSpans: Decodable, Sendable { public var spans: [Span] }
    public struct ResourceSpans: Decodable, Sendable {
        public var resource: Resource
        public var scopeSpans: [ScopeSpans]
    }

    public var resourceSpans: [ResourceSpans]

    public var spans: [Span] { resourceSpans.flatMap { $0.scopeSpans.flatMap(\.spans) } }
}

extension [TraceDocument.Attribute] {
    /// A text or a whole number.
    public subscript(name: String) -> String? {
        first { $0.key == name }.flatMap { $0.value.stringValue ?? $0.value.intValue }
    }
}
