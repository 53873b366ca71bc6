import Foundation

/// What is told it from outside: `POST /mock/fail/503`, `POST /mock/fail/reset?times=2`, `POST /mock/recover`,
/// `GET /mock/requests`.
extension RegistryMock.State {
    mutating func control(_ request: MockHTTPServer.Request) -> MockHTTPServer.Answer {
        let parts = request.path.split(separator: "/").map(String.init)
        switch (request.method, parts.dropFirst().first) {
        case ("GET", "requests"): return .json(requests)
        case ("POST", "recover"): faults.removeAll()
        case ("POST", "fail"):
            guard parts.count == 3, let fault = RegistryMock.Fault(parts[2]) else {
                return .error(400, 400, "one of \(RegistryMock.Fault.forms)")
            }
            faults.append((fault, request.query["times"].flatMap { Int($0) } ?? .max))
        default: return .error(404, 404, "HTTP 404 Not Found")
        }
        return .json(["ok": true])
    }
}

extension RegistryMock.Fault {
    static let forms = "503 (or another status), slow-MILLISECONDS, silence, reset, missing, page"

    init?(_ text: String) {
        switch text {
        case "silence": self = .silence
        case "reset": self = .reset
        case "missing": self = .missing
        case "page": self = .page
        default:
            if let status = Int(text), (400...599).contains(status) {
                self = .status(status)
            } else if text.hasPrefix("slow-"), let milliseconds = Int64(text.dropFirst(5)) {
                self = .slow(milliseconds: milliseconds)
            } else {
                return nil
            }
        }
    }
}

extension MockHTTPServer.Answer {
    static func json(_ object: Any) -> MockHTTPServer.Answer {
        let body = (try? JSONSerialization.data(withJSONObject: object)) ?? Data()
        return .said(
            status: 200, headers: ["Content-Type": "application/vnd.schemaregistry.v1+json"], body: Array(body))
    }

    static func error(_ status: Int, _ code: Int, _ message: String) -> MockHTTPServer.Answer {
        let body = try? JSONSerialization.data(
            withJSONObject: ["error_code": code, "message": message] as [String: Any])
        return .said(
            status: status, headers: ["Content-Type": "application/vnd.schemaregistry.v1+json"],
            body: Array(body ?? Data()))
    }
}
