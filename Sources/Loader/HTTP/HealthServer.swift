import FlyingFox
import FlyingSocks
import Foundation
import Kafka
import Postgres

/// Answers `/health/live`, `/health/ready` and `/metrics`.
///
/// Nothing runs between requests: the server sleeps in `epoll_wait`, and the status is asked for only when somebody
/// wants to know it.
final class HealthServer: Sendable {
    private let server: HTTPServer
    private let task: Task<Void, any Error>

    /// Starts to listen.
    ///
    /// - Throws: a problem with the key `http.listen` if the address is taken or not this machine's.
    init(
        listen: ListenAddress, origin: ConfigurationOrigin = .builtIn,
        status: @escaping @Sendable () -> ServiceStatus
    ) async throws(ConfigurationProblem) {
        let handler = Handler(status: status)
        do {
            let server =
                switch listen.host {
                case .ip4(let host):
                    HTTPServer(
                        address: try .inet(ip4: host, port: listen.port), logger: .disabled, handler: handler)
                case .ip6(let host):
                    HTTPServer(
                        address: try .inet6(ip6: host, port: listen.port), logger: .disabled, handler: handler)
                }
            let listening = Task { try await server.waitUntilListening(timeout: 60) }
            let task = Task {
                do {
                    try await server.run()
                } catch {
                    listening.cancel()
                    throw error
                }
            }
            do {
                try await listening.value
            } catch {
                task.cancel()
                try await task.value  // its error says why it does not listen
                throw error
            }
            self.server = server
            self.task = task
        } catch {
            throw Self.problem(error, listen, origin)
        }
    }

    /// The port in use, also where the configuration asked for any.
    var port: UInt16? {
        get async {
            switch await server.listeningAddress {
            case .ip4(_, let port), .ip6(_, let port): port
            default: nil
            }
        }
    }

    func stop() async {
        await server.stop()
        _ = await task.result
    }

    private static func problem(
        _ error: any Error, _ listen: ListenAddress, _ origin: ConfigurationOrigin
    ) -> ConfigurationProblem {
        var reason = "cannot listen on \(listen)"
        var mend = "Set http.listen to an address of this machine, or to off."
        if case .failed(_, let code, _) = error as? SocketError {
            reason += ": \(String(cString: strerror(code)))"
            if code == EADDRINUSE {
                mend = "Another program has the port, perhaps another loader. Set http.listen to a free one, or to off."
            }
        }
        return ConfigurationProblem(
            code: .addressInUse, path: "http.listen", origin: origin, message: reason, mend: mend)
    }

    private struct Handler: HTTPHandler {
        let status: @Sendable () -> ServiceStatus

        func handleRequest(_ request: HTTPRequest) async throws -> HTTPResponse {
            guard request.method == .GET || request.method == .HEAD else {
                return HTTPResponse(
                    statusCode: .methodNotAllowed, headers: HTTPHeaders([HTTPHeader("Allow"): "GET, HEAD"]))
            }
            let answer = HealthAnswer(path: request.path, status: status)
            return HTTPResponse(
                statusCode: HTTPStatusCode(answer.code, phrase: answer.phrase),
                headers: [.contentType: answer.contentType], body: Data(answer.body.utf8))
        }
    }
}

/// What a path is answered with.
struct HealthAnswer: Equatable {
    var code = 200
    var phrase = "OK"
    var contentType = "text/plain; charset=utf-8"
    var body: String

    init(path: String, status: () -> ServiceStatus) {
        switch path {
        case "/health/live":
            let isLive = status().isLive
            body = isLive ? "live\n" : "the loops do not turn\n"
            if !isLive { (code, phrase) = (503, "Service Unavailable") }
        case "/health/ready":
            let status = status()
            body =
                status.isReady
                ? "ready\n" : (status.isLive ? status.obstacles : ["not live"]).joined(separator: "\n") + "\n"
            if !status.isReady { (code, phrase) = (503, "Service Unavailable") }
        case "/metrics":
            contentType = "text/plain; version=0.0.4; charset=utf-8"
            let build = [
                (label: "version", value: Version.loader), ("librdkafka", KafkaLibrary.versionString),
                ("libpq", PostgresLibrary.versionString),
            ]
            body = PrometheusText(status(), build: build).text
        default:
            (code, phrase) = (404, "Not Found")
            body = "Here are /health/live, /health/ready and /metrics.\n"
        }
    }
}
