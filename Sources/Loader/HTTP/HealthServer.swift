import Foundation
import Loading
import NIOCore
import NIOHTTP1
import NIOPosix
import Operating
import Synchronization

/// Answers `/`, `/status.json`, `/health/live`, `/health/ready` and `/metrics`.
///
/// One thread that sleeps between requests; the status is asked for only when somebody wants to know it. What a client may
/// cost is bounded by `HTTPLimits`. A listener that ends is an incident, and is begun again.
final class HealthServer: Sendable {
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let limits: HTTPLimits
    private let origin: ConfigurationOrigin
    private let report: @Sendable (Incident) -> Void
    private let status: @Sendable () -> ServiceStatus
    private let state: Mutex<State>

    private struct State {
        /// With the port that was given, where any was asked for: it stays the same.
        var address: ListenAddress
        /// Nil while nobody listens.
        var listener: (any Channel)?
        var isStopped = false
    }

    /// Starts to listen.
    ///
    /// - Parameter report: told when it cannot serve.
    /// - Throws: a problem with the key `http.listen` if the address is taken or not this machine's.
    init(
        listen: ListenAddress, origin: ConfigurationOrigin = .builtIn, limits: HTTPLimits = HTTPLimits(),
        report: @escaping @Sendable (Incident) -> Void = { _ in }, status: @escaping @Sendable () -> ServiceStatus
    ) async throws(ConfigurationProblem) {
        self.limits = limits
        self.origin = origin
        self.report = report
        self.status = status
        state = Mutex(State(address: listen))
        do {
            let listener = try await bind().get()
            state.withLock { state in
                if let port = listener.localAddress?.port { state.address.port = UInt16(port) }
            }
            watch(listener)
        } catch {
            try? await group.shutdownGracefully()
            throw problem(error)
        }
    }

    /// The port in use, also where the configuration asked for any.
    var port: UInt16 { state.withLock { $0.address.port } }

    /// What listens now.
    var listener: (any Channel)? { state.withLock { $0.listener } }

    func stop() async {
        state.withLock { $0.isStopped = true }
        try? await group.shutdownGracefully()
    }

    // MARK: Listening

    private func bind() -> EventLoopFuture<any Channel> {
        let loop = group.next()
        let (limits, status, report, address) = (limits, status, report, state.withLock { $0.address })
        let socketAddress: SocketAddress
        do {
            socketAddress = try SocketAddress(ipAddress: address.host.name, port: Int(address.port))
        } catch {
            return loop.makeFailedFuture(error)
        }
        return loop.flatSubmit {
            let connections = OpenConnections(limit: limits.connections)
            let bound = NIOLoopBound(connections, eventLoop: loop)
            return ServerBootstrap(group: loop)
                .serverChannelOption(.backlog, value: 256)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                // Between two of them those that have come are heard.
                .serverChannelOption(.maxMessagesPerRead, value: 4)
                .serverChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(
                            AcceptFailures(bound.value, address: address, report: report))
                    }
                }
                .childChannelOption(.maxMessagesPerRead, value: 1)
                .childChannelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 4096))
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let connection = HTTPConnection(limits, connections: bound.value) { Self.answer($0, status) }
                        try channel.pipeline.syncOperations.addHandlers(connection.handlers)
                    }
                }
                .bind(to: socketAddress)
        }
    }

    private func watch(_ listener: any Channel) {
        state.withLock { $0.listener = listener }
        listener.closeFuture.whenComplete { [weak self] _ in
            guard let self else { return }
            let isStopped = state.withLock { state in
                state.listener = nil
                return state.isStopped
            }
            guard !isStopped else { return }
            reportOutage("its socket was closed")
            listenAgain(after: limits.restart.first)
        }
    }

    private func listenAgain(after delay: TimeAmount) {
        group.next().scheduleTask(in: delay) { [weak self] in
            guard let self, !state.withLock({ $0.isStopped }) else { return }
            bind().whenComplete { [weak self] result in
                guard let self else { return }
                switch result {
                case .success(let listener): watch(listener)
                case .failure(let error):
                    reportOutage(Self.reason(error))
                    listenAgain(after: min(delay + delay, limits.restart.last))
                }
            }
        }
    }

    private func reportOutage(_ reason: String) {
        report(
            Incident(
                .warning, "the HTTP server does not listen; it is started again until it does",
                code: ConfigurationProblem.Code.addressInUse.rawValue, error: reason,
                at: "\(state.withLock { $0.address })",
                mend: "see what else listens there (`ss -ltnp`), or set http.listen to a free address and restart"))
    }

    // MARK: Errors

    private static func reason(_ error: any Error) -> String {
        (error as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(error)"
    }

    private func problem(_ error: any Error) -> ConfigurationProblem {
        let isTaken = (error as? IOError)?.errnoCode == EADDRINUSE
        return ConfigurationProblem(
            code: .addressInUse, path: "http.listen", origin: origin,
            message: "cannot listen on \(state.withLock { $0.address }): \(Self.reason(error))",
            mend: isTaken
                ? "Another program has the port, perhaps another loader. Set http.listen to a free one, or to off."
                : "Set http.listen to an address of this machine, or to off.")
    }

    // MARK: Answers

    private static func answer(_ path: String, _ status: @Sendable () -> ServiceStatus) -> HTTPAnswer {
        let nonce = StatusPage.makeNonce()
        do {
            let answer = try HealthAnswer(path: path, nonce: nonce, status: status)
            return HTTPAnswer(
                status: HTTPResponseStatus(statusCode: answer.code),
                headers: [("Content-Type", answer.contentType)] + securityHeaders(nonce), body: answer.body)
        } catch {
            return HTTPAnswer(status: .internalServerError, body: Data("the status cannot be written\n".utf8))
        }
    }

    /// Nothing but the page's own script and style runs, it talks to nobody but this server, and nobody may frame it.
    static func securityHeaders(_ nonce: String) -> [(String, String)] {
        [
            (
                "Content-Security-Policy",
                "default-src 'none'; script-src 'nonce-\(nonce)'; style-src 'nonce-\(nonce)'; connect-src 'self'; "
                    + "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            ),
            ("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"), ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"), ("Cache-Control", "no-store"),
        ]
    }
}

/// Hears of connections that could not be taken in: what is idle gives its descriptors back, and it is told, once a minute.
/// swift-nio's own handler behind this one lets a second pass before the next try.
private final class AcceptFailures: ChannelInboundHandler {
    typealias InboundIn = any Channel

    private let connections: OpenConnections
    private let address: ListenAddress
    private let report: @Sendable (Incident) -> Void
    private var nextReport = NIODeadline.uptimeNanoseconds(0)

    init(_ connections: OpenConnections, address: ListenAddress, report: @escaping @Sendable (Incident) -> Void) {
        self.connections = connections
        self.address = address
        self.report = report
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? IOError {
            connections.closeIdle()
            if NIODeadline.now() >= nextReport {
                nextReport = .now() + .minutes(1)
                report(
                    Incident(
                        .warning, "the HTTP server could not take a connection; it goes on trying",
                        error: String(cString: strerror(error.errnoCode)), at: "\(address)",
                        mend: "raise the limit of open files (`ulimit -n`, LimitNOFILE=), and see who keeps so many: "
                            + "`ls /proc/\(ProcessInfo.processInfo.processIdentifier)/fd | wc -l`"))
            }
        }
        context.fireErrorCaught(error)
    }
}
