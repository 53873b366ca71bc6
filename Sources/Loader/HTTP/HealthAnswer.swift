import Foundation

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
