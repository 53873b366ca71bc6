import Foundation
import NIOCore
import NIOHTTP1

/// One client of the HTTP server: its requests, one after another, and the deadlines that it has for them.
///
/// All on its event loop.
final class HTTPConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    /// In the order in which a connection can be done without.
    enum Phase: Int, Comparable {
        /// It was answered for the last time.
        case closing
        /// Nothing of a request has come.
        case idle
        /// A part of a request has come.
        case reading
        /// An answer is not taken yet.
        case answering

        static func < (one: Phase, other: Phase) -> Bool { one.rawValue < other.rawValue }
    }

    private(set) var phase = Phase.idle
    private(set) var lastHeard = NIODeadline.now()
    private let limits: HTTPLimits
    private let connections: OpenConnections
    private let respond: @Sendable (_ path: String) -> HTTPAnswer
    private var context: ChannelHandlerContext?
    private var deadline: Scheduled<Void>?
    private var request: HTTPRequestHead?
    /// Of the request that is being read.
    private var bytes = 0
    private var isKept = true

    init(
        _ limits: HTTPLimits, connections: OpenConnections, respond: @escaping @Sendable (_ path: String) -> HTTPAnswer
    ) {
        self.limits = limits
        self.connections = connections
        self.respond = respond
    }

    /// In this order in the channel's pipeline.
    var handlers: [any ChannelHandler] {
        var parsing = NIOHTTPDecoderLimitConfiguration()
        parsing.maxHeaderFieldSize = limits.fieldBytes
        parsing.maxHeaderListSize = limits.requestBytes
        parsing.maxHeaderFieldCount = limits.fields
        let decoder = HTTPRequestDecoder(
            leftOverBytesStrategy: .dropBytes, informationalResponseStrategy: .drop, limitConfiguration: parsing)
        return [HTTPResponseEncoder(), HTTPInputCount(self), ByteToMessageHandler(decoder), self]
    }

    func close() { context?.close(promise: nil) }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        connections.add(self)
        wait(limits.request) { $0.close() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        deadline?.cancel()
        connections.remove(self)
        self.context = nil
    }

    /// - Returns: whether they are wanted.
    fileprivate func received(_ count: Int) -> Bool {
        guard phase != .closing else { return false }
        lastHeard = .now()
        if phase == .idle {
            phase = .reading
            wait(limits.request) { $0.refuse(.requestTimeout) }
        }
        bytes += count
        guard bytes <= limits.requestBytes else {
            refuse(.requestHeaderFieldsTooLarge)
            return false
        }
        return true
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard phase != .closing else { return }
        switch Self.unwrapInboundIn(data) {
        case .head(let head):
            bytes = 0
            // Who does not take an answer gets no further one.
            guard phase != .answering else {
                isKept = false
                return
            }
            if Self.hasBody(head) {
                refuse(.payloadTooLarge)
            } else if head.method != .GET, head.method != .HEAD {
                refuse(.methodNotAllowed, [("Allow", "GET, HEAD")])
            } else {
                request = head
            }
        case .body: break
        case .end:
            guard let head = request else { return }
            request = nil
            isKept = head.isKeepAlive
            answer(respond(Self.path(head.uri)), isHead: head.method == .HEAD)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        case HTTPParserError.headerOverflow: refuse(.requestHeaderFieldsTooLarge)
        case is HTTPParserError: refuse(.badRequest)
        default: context.close(promise: nil)
        }
    }

    // MARK: Answers

    /// Says why, and that the connection ends with it.
    private func refuse(_ status: HTTPResponseStatus, _ headers: [(String, String)] = []) {
        // Two answers must not run into each other.
        guard phase != .answering else {
            isKept = false
            return
        }
        guard phase != .closing else { return }
        isKept = false
        let body = Data("\(status.code) \(status.reasonPhrase)\n".utf8)
        answer(HTTPAnswer(status: status, headers: headers, body: body), isHead: false)
    }

    private func answer(_ answer: HTTPAnswer, isHead: Bool) {
        guard let context else { return }
        phase = .answering
        var headers = HTTPHeaders(answer.headers)
        headers.replaceOrAdd(name: "Content-Length", value: "\(answer.body.count)")
        headers.replaceOrAdd(name: "Connection", value: isKept ? "keep-alive" : "close")
        let head = HTTPResponseHead(version: .http1_1, status: answer.status, headers: headers)
        context.write(Self.wrapOutboundOut(.head(head)), promise: nil)
        if !isHead {
            let body = context.channel.allocator.buffer(bytes: answer.body)
            context.write(Self.wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        }
        wait(limits.answer) { $0.close() }
        let taken = context.eventLoop.makePromise(of: Void.self)
        taken.futureResult.assumeIsolated().whenComplete { result in
            if case .success = result { self.isAnswered() } else { self.close() }
        }
        context.writeAndFlush(Self.wrapOutboundOut(.end(nil)), promise: taken)
    }

    private func isAnswered() {
        guard phase == .answering, let context else { return }
        if isKept {
            phase = .idle
            return wait(limits.idle) { $0.close() }
        }
        phase = .closing
        // Nothing more is read, so that who goes on sending costs nothing; the end of its side is heard all the same.
        context.channel.setOption(.autoRead, value: false).whenComplete { _ in }
        context.close(mode: .output, promise: nil)
        wait(limits.linger) { $0.close() }
    }

    /// There is one deadline at a time: the last one that was set.
    private func wait(_ time: TimeAmount, then act: @escaping (HTTPConnection) -> Void) {
        deadline?.cancel()
        deadline = context?.eventLoop.assumeIsolated().scheduleTask(in: time) { [weak self] in
            if let self { act(self) }
        }
    }

    // MARK: Requests

    private static func hasBody(_ head: HTTPRequestHead) -> Bool {
        head.headers.contains(name: "Transfer-Encoding") || head.headers["Content-Length"].contains { $0 != "0" }
    }

    /// Without a query; also where a proxy asks for the whole address.
    static func path(_ target: String) -> String {
        var path = target.prefix { $0 != "?" && $0 != "#" }
        for scheme in ["http://", "https://"] where path.hasPrefix(scheme) {
            path = path.dropFirst(scheme.count).drop { $0 != "/" }
            if path.isEmpty { path = "/" }
        }
        return String(path)
    }
}

/// What a request is answered with.
struct HTTPAnswer: Sendable {
    var status = HTTPResponseStatus.ok
    var headers: [(String, String)] = []
    var body: Data
}

/// Counts what comes before anybody parses or keeps it.
private final class HTTPInputCount: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private unowned let connection: HTTPConnection

    init(_ connection: HTTPConnection) { self.connection = connection }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if connection.received(Self.unwrapInboundIn(data).readableBytes) { context.fireChannelRead(data) }
    }
}
