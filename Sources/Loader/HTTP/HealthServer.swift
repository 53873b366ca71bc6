import FlyingFox
import FlyingSocks
import Foundation

/// Answers `/`, `/status.json`, `/health/live`, `/health/ready` and `/metrics`.
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

    fileprivate struct Handler: HTTPHandler {
        let status: @Sendable () -> ServiceStatus

        func handleRequest(_ request: HTTPRequest) async throws -> HTTPResponse {
            guard request.method == .GET || request.method == .HEAD else {
                return HTTPResponse(
                    statusCode: .methodNotAllowed, headers: HTTPHeaders([HTTPHeader("Allow"): "GET, HEAD"]))
            }
            let nonce = StatusPage.makeNonce()
            let answer = try HealthAnswer(path: request.path, nonce: nonce, status: status)
            var headers = HTTPHeaders([.contentType: answer.contentType])
            for (name, value) in Self.securityHeaders(nonce) { headers[HTTPHeader(name)] = value }
            return HTTPResponse(
                statusCode: HTTPStatusCode(answer.code, phrase: answer.phrase), headers: headers, body: answer.body)
        }
    }
}

extension HealthServer.Handler {
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

/// What a path is answered with.
struct HealthAnswer: Equatable {
    var code = 200
    var phrase = "OK"
    var contentType = "text/plain; charset=utf-8"
    var body: Data

    init(path: String, nonce: String, status: () -> ServiceStatus) throws {
        switch path {
        case "/":
            contentType = "text/html; charset=utf-8"
            body = Data(StatusPage.html(nonce: nonce).utf8)
        case "/status.json":
            contentType = "application/json"
            body = try StatusDocument(status()).encoded()
        case "/health/live":
            let isLive = status().isLive
            body = Data((isLive ? "live\n" : "the loops do not turn\n").utf8)
            if !isLive { (code, phrase) = (503, "Service Unavailable") }
        case "/health/ready":
            let status = status()
            let obstacles = status.isLive ? status.obstacles : ["not live"]
            body = Data((status.isReady ? "ready\n" : obstacles.joined(separator: "\n") + "\n").utf8)
            if !status.isReady { (code, phrase) = (503, "Service Unavailable") }
        case "/metrics":
            contentType = "text/plain; version=0.0.4; charset=utf-8"
            body = Data(PrometheusText(status()).text.utf8)
        default:
            (code, phrase) = (404, "Not Found")
            body = Data("Here are /, /status.json, /health/live, /health/ready and /metrics.\n".utf8)
        }
    }
}
