import Foundation
import Loading
import Web

/// What a loader that runs says of what messages did. It alone counts it, since it began: the ledger has positions and no counters.
struct RunningLoader {
    struct Route: Codable, Equatable {
        var label: String
        var table: String
        /// By the names that the metrics have.
        var operations: [String: Int]
        var deadLetters: Int

        enum CodingKeys: String, CodingKey {
            case label, table, operations
            case deadLetters = "dead_letters"
        }
    }

    enum Answer: Equatable {
        /// - since: when it began, as it writes times.
        case counts([Route], since: String)
        /// Why there is none.
        case silence(String)
    }

    /// Where it was asked, `127.0.0.1:9464`.
    var address: String
    var answer: Answer

    private struct Document: Decodable {
        struct Process: Decodable { var started: String }

        var group: String
        var process: Process
        var routes: [Route]
    }

    /// Who asks waits no longer: what it says besides does not depend on it.
    private static let timeout = Duration.seconds(1)

    /// - Parameter group: whose loader is asked for; another one's counts are none of it.
    static func ask(_ address: String, group: String) -> RunningLoader {
        let client = HTTPClient(HTTPOptions(connectTimeout: timeout, timeout: timeout, isDirect: true))
        return RunningLoader(address: address, answer: answer(of: client, address, group))
    }

    private static func answer(of client: HTTPClient, _ address: String, _ group: String) -> Answer {
        let answer: Web.HTTPAnswer
        do throws(HTTPFailure) {
            answer = try client.send(HTTPRequest(.get, "http://\(address)/status.json"))
        } catch {
            return .silence(error.words)
        }
        guard answer.status == 200, let document = try? JSONDecoder().decode(Document.self, from: Data(answer.body))
        else { return .silence("what answers there is no loader, or one of another version") }
        guard document.group == group else { return .silence("the loader there is one of the group \(document.group)") }
        return .counts(document.routes, since: document.process.started)
    }
}

extension RunningLoader {
    /// What it says, for people.
    var lines: [String] {
        switch answer {
        case .silence(let reason):
            return ["what messages did is counted by a loader that runs, and none tells it at \(address): \(reason)"]
        case .counts(let routes, let since):
            let known = RowOperation.allCases.map(\.name)
            let done = Set(routes.flatMap { route in route.operations.filter { $0.value != 0 }.keys })
            let names = known.filter(done.contains) + done.subtracting(known).sorted()
            let header = ["route", "table"] + names + ["dead letters"]
            let rows = routes.map { route in
                [route.label, route.table] + names.map { "\(route.operations[$0] ?? 0)" } + ["\(route.deadLetters)"]
            }
            return ["what messages did since \(since), by the loader at \(address):"]
                + TextTable.lines([header] + rows, numbers: Set(2..<header.count))
        }
    }

    /// The same for machines.
    struct Report: Encodable {
        var at: String
        var since: String?
        var routes: [Route]
        var silence: String?

        init(_ loader: RunningLoader) {
            at = loader.address
            switch loader.answer {
            case .silence(let reason): (since, routes, silence) = (nil, [], reason)
            case .counts(let all, let since): (self.since, routes, silence) = (since, all, nil)
            }
        }
    }
}

extension ListenAddress {
    /// Where somebody on the same machine finds what listens there; nil for any free port.
    var reachable: String? {
        guard port != 0 else { return nil }
        var address = self
        switch host {
        case .ip4("0.0.0.0"): address.host = .ip4("127.0.0.1")
        case .ip6("::"): address.host = .ip6("::1")
        case .ip4, .ip6: break
        }
        return address.description
    }
}
