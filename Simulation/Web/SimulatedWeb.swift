import CSimulation
import Foundation

/// The servers that are asked over HTTP: a schema registry, and one that gives tokens for the brokers.
final class SimulatedWeb {
    // Under the baton; one for each world.
    nonisolated(unsafe) static var current = SimulatedWeb()

    static let registry = "http://registry:8081"
    // What goes to a loopback need not be encrypted.
    static let tokens = "http://127.0.0.1:8080/token"

    /// How often something goes wrong, each 0…1.
    struct Faults {
        /// Nobody listens.
        var refused = 0.0
        /// 503.
        var busy = 0.0
        /// An answer takes up to eight seconds.
        var slowness = 0.0
        /// None comes.
        var silence = 0.0

        var isQuiet: Bool { refused + busy + slowness + silence == 0 }
    }

    var faults = Faults()
    /// Until when nobody listens.
    var away: Int64 = 0
    /// For how long a token is good, in seconds.
    var tokenLife: Int64 = 30
    /// Told of what happens, by its name.
    var met: (String) -> Void = { _ in }
    private var schemas: [Int: String] = [:]
    private var tokensGiven = 0

    func install() {
        Self.current = self
        sim_serve_web { request in SimulatedWeb.current.answer(request) }
    }

    func register(_ schema: String, as id: Int) { schemas[id] = schema }

    // MARK: Answers

    /// libcurl's number for a connection that nobody takes.
    private static let refusal: Int32 = 7

    private func answer(_ request: UnsafePointer<sim_request>?) -> sim_answer {
        guard let request, let url = request.pointee.url.map({ String(cString: $0) }) else { return sim_answer() }
        var answer = sim_answer(error: 0, status: 200, body: nil, delay: Draw.from(200_000..<20 * Moments.millisecond))
        if sim_now() < away || happens("web refused", faults.refused) {
            answer.error = Self.refusal
        } else if happens("web silent", faults.silence) {
            answer.delay = .max
        } else if happens("web busy", faults.busy) {
            answer.status = 503
        } else {
            if happens("web slow", faults.slowness) { answer.delay = Draw.from(0..<8 * Moments.second) }
            let (status, body) = content(url, isPost: request.pointee.is_post)
            (answer.status, answer.body) = (status, strdup(body))
        }
        return answer
    }

    private func happens(_ name: String, _ chance: Double) -> Bool {
        guard Draw.chance(chance) else { return false }
        met(name)
        return true
    }

    private func content(_ url: String, isPost: Bool) -> (status: Int, body: String) {
        if isPost, url == Self.tokens {
            tokensGiven += 1
            return (
                200, #"{"access_token":"token-\#(tokensGiven)","token_type":"Bearer","expires_in":\#(tokenLife)}"#
            )
        }
        let path = "\(Self.registry)/schemas/ids/"
        guard url.hasPrefix(path), let id = Int(url.dropFirst(path.count).prefix { $0.isNumber }),
            let schema = schemas[Mutant.is(.schemasMixed) && id == 2 ? 1 : id]
        else { return (404, #"{"error_code":40403,"message":"Schema not found"}"#) }
        let quoted = schema.replacingOccurrences(of: #"""#, with: #"\""#)
        return (200, #"{"schema":"\#(quoted)"}"#)
    }
}
