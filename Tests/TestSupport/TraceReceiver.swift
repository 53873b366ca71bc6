import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
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
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let received = Received()

    fileprivate final class Received: Sendable {
        let requests = Mutex<[Request]>([])
        let count = Mutex(0)
    }

    /// - Parameters:
    ///   - statuses: what the first requests are answered with; the others with 200.
    ///   - isSilent: never answers at all.
    public init(statuses: [Int] = [], isSilent: Bool = false) async throws {
        let received = received
        let listener = try await ServerBootstrap(group: group)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(
                        TraceHandler(received, statuses: statuses, isSilent: isSilent))
                }
            }
            .bind(host: "127.0.0.1", port: Int(try freeLoopbackPort())).get()
        guard let port = listener.localAddress?.port else { throw POSIXError(.EADDRNOTAVAIL) }
        self.port = UInt16(port)
    }

    public func stop() async { try? await group.shutdownGracefully() }

    public var endpoint: String { "http://127.0.0.1:\(port)" }
    /// The accepted ones.
    public var requests: [Request] { received.requests.withLock { $0 } }
    /// How many came, accepted or not.
    public var requestCount: Int { received.count.withLock { $0 } }
    public var spans: [TraceDocument.Span] { requests.flatMap(\.document.spans) }
}

/// One connection of a `TraceReceiver`.
private final class TraceHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let received: TraceReceiver.Received
    private let statuses: [Int]
    private let isSilent: Bool
    private var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "")
    private var body = Data()

    init(_ received: TraceReceiver.Received, statuses: [Int], isSilent: Bool) {
        self.received = received
        self.statuses = statuses
        self.isSilent = isSilent
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch Self.unwrapInboundIn(data) {
        case .head(let head): (self.head, body) = (head, Data())
        case .body(let bytes): body += Data(bytes.readableBytesView)
        case .end: answer(context)
        }
    }

    private func answer(_ context: ChannelHandlerContext) {
        let document = try? JSONDecoder().decode(TraceDocument.self, from: body)
        let number = received.count.withLock { count in
            defer { count += 1 }
            return count
        }
        if isSilent { return }
        let status = document == nil ? 400 : number < statuses.count ? statuses[number] : 200
        if status == 200, let document {
            let headers = head.headers.map { ($0.name.lowercased(), $0.value) }
            received.requests.withLock {
                $0.append(
                    TraceReceiver.Request(
                        path: head.uri, headers: Dictionary(headers) { $1 }, document: document))
            }
        }
        let answer = HTTPResponseHead(
            version: .http1_1, status: HTTPResponseStatus(statusCode: status),
            headers: ["Content-Type": "application/json", "Content-Length": "2"])
        context.write(Self.wrapOutboundOut(.head(answer)), promise: nil)
        context.write(Self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: "{}")))), promise: nil)
        context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: nil)
    }
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
