import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// An HTTP server on the loopback interface that answers as it is told, and badly if it is told so.
public final class MockHTTPServer: Sendable {
    public struct Request: Sendable {
        public var method: String
        /// As it was sent, without the query.
        public var path: String
        /// Decoded.
        public var query: [String: String]
        /// By lowercase names.
        public var headers: [String: String]
        public var body: [UInt8]
    }

    public indirect enum Answer: Sendable {
        case said(status: Int, headers: [String: String] = [:], body: [UInt8])
        /// The same, but not at once.
        case later(milliseconds: Int64, Answer)
        /// Nothing, while the connection stays open.
        case silence
        /// The connection ends at once, by a reset.
        case reset
        /// So many bytes more are promised than come before the connection ends.
        case cut(short: Int, body: [UInt8])
    }

    public let port: UInt16
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let listener: any Channel
    private let accepted: Connections

    private final class Connections: Sendable {
        let count = Mutex(0)
    }

    /// - Parameters:
    ///   - port: 0 for any that is free.
    ///   - answer: asked on the server's own thread.
    public init(port: UInt16 = 0, _ answer: @escaping @Sendable (Request) -> Answer) throws {
        let accepted = Connections()
        self.accepted = accepted
        listener = try ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                accepted.count.withLock { $0 += 1 }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(MockHTTPHandler(answer))
                }
            }
            .bind(host: "127.0.0.1", port: Int(port)).wait()
        self.port = UInt16(listener.localAddress?.port ?? 0)
    }

    public var url: String { "http://127.0.0.1:\(port)" }

    /// How many connections there have been.
    public var connectionCount: Int { accepted.count.withLock { $0 } }

    /// Ends it, and every connection to it.
    public func stop() { try? group.syncShutdownGracefully() }
}

/// One connection.
private final class MockHTTPHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let answer: @Sendable (MockHTTPServer.Request) -> MockHTTPServer.Answer
    private var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "")
    private var body: [UInt8] = []

    init(_ answer: @escaping @Sendable (MockHTTPServer.Request) -> MockHTTPServer.Answer) { self.answer = answer }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch Self.unwrapInboundIn(data) {
        case .head(let head): (self.head, body) = (head, [])
        case .body(let bytes): body += bytes.readableBytesView
        case .end: carryOut(answer(request()), context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func request() -> MockHTTPServer.Request {
        let parts = URLComponents(string: head.uri)
        let query = parts?.queryItems?.map { ($0.name, $0.value ?? "") } ?? []
        return MockHTTPServer.Request(
            method: head.method.rawValue, path: parts?.percentEncodedPath ?? head.uri,
            query: Dictionary(query) { $1 },
            headers: Dictionary(head.headers.map { ($0.name.lowercased(), $0.value) }) { $1 }, body: body)
    }

    private func carryOut(_ answer: MockHTTPServer.Answer, _ context: ChannelHandlerContext) {
        switch answer {
        case .said(let status, let headers, let body):
            write(status, headers, body, length: body.count, context)
            context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: nil)
        case .later(let milliseconds, let answer):
            let held = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            context.eventLoop.scheduleTask(in: .milliseconds(milliseconds)) {
                held.value.0.carryOut(answer, held.value.1)
            }
        case .silence: break
        case .reset:
            if let options = context.channel as? any SocketOptionProvider {
                options.setSoLinger(linger(l_onoff: 1, l_linger: 0)).whenComplete { _ in }
            }
            context.close(promise: nil)
        case .cut(let short, let body):
            write(200, [:], body, length: body.count + short, context)
            context.flush()
            context.close(promise: nil)
        }
    }

    private func write(
        _ status: Int, _ headers: [String: String], _ body: [UInt8], length: Int, _ context: ChannelHandlerContext
    ) {
        var all = HTTPHeaders(headers.map { ($0.key, $0.value) })
        all.replaceOrAdd(name: "Content-Length", value: String(length))
        let head = HTTPResponseHead(version: .http1_1, status: HTTPResponseStatus(statusCode: status), headers: all)
        context.write(Self.wrapOutboundOut(.head(head)), promise: nil)
        context.write(Self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil)
    }
}
