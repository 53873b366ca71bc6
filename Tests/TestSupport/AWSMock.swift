import Foundation
import RegistryMock
import Synchronization

/// A server on the loopback interface that answers as AWS's STS, the sign-on's portal, a container's endpoint and an instance's
/// metadata do. The id of each key that it gives out says whom it has given it to, and how he came. It looks at no signature.
public final class AWSMock: Sendable {
    public struct State: Sendable {
        public var requests: [MockHTTPServer.Request] = []
        /// What comes in place of the next answers.
        public var faults: [MockHTTPServer.Answer] = []
        /// For how many seconds what it gives out is good.
        public var lifetime: TimeInterval = 3600
        /// By how many seconds its clock is before this machine's.
        public var ahead: TimeInterval = 0
    }

    private final class Held: Sendable {
        let state = Mutex(State())
    }

    private let held: Held
    private let server: MockHTTPServer

    public init() throws {
        let held = Held()
        self.held = held
        server = try MockHTTPServer { request in
            held.state.withLock { state in
                state.requests.append(request)
                let now = Date().addingTimeInterval(state.ahead)
                let end = now.addingTimeInterval(state.lifetime)
                let answer = state.faults.isEmpty ? Self.answer(request, until: end) : state.faults.removeFirst()
                return answer.dated(now)
            }
        }
    }

    public var url: String { server.url }

    /// What it has been asked, and what it shall do.
    public func with<Value>(_ change: (inout State) -> Value) -> Value { held.state.withLock { change(&$0) } }

    public var requests: [MockHTTPServer.Request] { with { $0.requests } }

    public func stop() { server.stop() }

    /// A refusal of STS's.
    public static func refusal(_ code: String, status: Int = 403) -> MockHTTPServer.Answer {
        let text = """
            <ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>\(code)</Code>\
            <Message>s3cret</Message></Error><RequestId>1</RequestId></ErrorResponse>
            """
        return .said(status: status, headers: ["Content-Type": "text/xml"], body: Array(text.utf8))
    }

    // MARK: Answers

    private static func answer(_ request: MockHTTPServer.Request, until end: Date) -> MockHTTPServer.Answer {
        switch (request.method, request.path) {
        case ("POST", "/"): return role(request, end)
        case ("GET", "/federation/credentials"):
            guard request.headers["x-amz-sso_bearer_token"] == "login" else {
                return .json(["message": "no"], status: 401)
            }
            let key = "sso.\(request.query["role_name"] ?? "")"
            return .json([
                "roleCredentials": [
                    "accessKeyId": key, "secretAccessKey": "s3cret", "sessionToken": "t0ken",
                    "expiration": Int(end.timeIntervalSince1970 * 1000),
                ]
            ])
        case ("GET", "/container"):
            return key("container.\(request.headers["authorization"] ?? "nobody")", end)
        case ("PUT", "/latest/api/token"): return .said(status: 200, body: Array("session".utf8))
        case ("GET", let path) where path.hasPrefix("/latest/meta-data/"):
            guard request.headers["x-aws-ec2-metadata-token"] == "session" else { return .said(status: 401, body: []) }
            switch path.dropFirst("/latest/meta-data/".count) {
            case "iam/security-credentials/": return .said(status: 200, body: Array("web-server".utf8))
            case "iam/security-credentials/web-server": return key("instance.web-server", end)
            case "placement/region": return .said(status: 200, body: Array("ap-south-1".utf8))
            default: return .said(status: 404, body: [])
            }
        default: return .said(status: 404, body: [])
        }
    }

    private static func key(_ id: String, _ end: Date) -> MockHTTPServer.Answer {
        .json([
            "Code": "Success", "AccessKeyId": id, "SecretAccessKey": "s3cret", "Token": "t0ken",
            "Expiration": end.formatted(.iso8601),
        ])
    }

    private static func role(_ request: MockHTTPServer.Request, _ end: Date) -> MockHTTPServer.Answer {
        let form = URLComponents(string: "?" + String(decoding: request.body, as: UTF8.self))?.queryItems ?? []
        func value(_ name: String) -> String { form.first { $0.name == name }?.value ?? "" }
        let role = value("RoleArn").split(separator: "/").last ?? "none"
        let id: String
        switch value("Action") {
        case "AssumeRole":
            let authorization = request.headers["authorization"] ?? ""
            let signer = authorization.firstRange(of: "Credential=").map {
                String(authorization[$0.upperBound...].prefix { $0 != "/" })
            }
            id = "\(role).by.\(signer ?? "nobody")\(value("ExternalId").isEmpty ? "" : ".external")"
        case "AssumeRoleWithWebIdentity": id = "\(role).web.\(value("WebIdentityToken"))"
        default: return refusal("InvalidAction", status: 400)
        }
        let action = value("Action")
        let text = """
            <\(action)Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><\(action)Result><AssumedRoleUser>\
            <AssumedRoleId>AROA:\(value("RoleSessionName"))</AssumedRoleId><Arn>\(value("RoleArn"))</Arn></AssumedRoleUser>\
            <Credentials><AccessKeyId>\(id)</AccessKeyId><SecretAccessKey>s3cret&amp;more</SecretAccessKey>\
            <SessionToken>t0ken/+==</SessionToken><Expiration>\(end.formatted(.iso8601))</Expiration></Credentials>\
            </\(action)Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></\(action)Response>
            """
        return .said(status: 200, headers: ["Content-Type": "text/xml"], body: Array(text.utf8))
    }
}

extension MockHTTPServer.Answer {
    fileprivate static func json(_ object: [String: Any], status: Int = 200) -> MockHTTPServer.Answer {
        let body = (try? JSONSerialization.data(withJSONObject: object)) ?? Data()
        return .said(status: status, headers: ["Content-Type": "application/json"], body: Array(body))
    }

    /// With the time that a server puts into each answer.
    public func dated(_ date: Date) -> MockHTTPServer.Answer {
        guard case .said(let status, var headers, let body) = self else { return self }
        let style = Date.VerbatimFormatStyle(
            format: """
                \(weekday: .abbreviated), \(day: .twoDigits) \(month: .abbreviated) \(year: .defaultDigits) \
                \(hour: .twoDigits(clock: .twentyFourHour, hourCycle: .zeroBased)):\(minute: .twoDigits):\
                \(second: .twoDigits) GMT
                """,
            locale: Locale(identifier: "en_US_POSIX"), timeZone: .gmt, calendar: Calendar(identifier: .gregorian))
        headers["Date"] = date.formatted(style)
        return .said(status: status, headers: headers, body: body)
    }
}
