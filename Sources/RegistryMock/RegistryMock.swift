import Foundation
import Synchronization

/// A schema registry in memory, with faults: Confluent's API as far as its clients and the loader need it, and the same schemas by
/// the APIs of others.
public final class RegistryMock: Sendable {
    /// What happens to requests in place of an answer.
    public enum Fault: Sendable, Equatable {
        /// An error of the registry's own, as `{"error_code", "message"}`.
        case status(Int)
        /// The right answer, later.
        case slow(milliseconds: Int64)
        case silence
        case reset
        /// 404, as of an id that it does not have.
        case missing
        /// A page of somebody else's: 200 and HTML.
        case page
        /// An error of AWS's of this name.
        case aws(String)
    }

    /// What a schema refers to.
    public struct Reference: Sendable, Hashable {
        public var name: String
        public var subject: String
        public var version: Int

        public init(name: String, subject: String, version: Int) {
            self.name = name
            self.subject = subject
            self.version = version
        }
    }

    /// A schema of an id, which is one for each text.
    public struct Schema: Sendable, Hashable {
        public var type: String
        public var text: String
        public var references: [Reference]
        /// As JSON; nil for none.
        public var ruleSet: String?
        /// What `format=serialized` answers; nil: the text, as registries do that know no such form.
        public var serialized: String?

        public init(
            _ text: String, type: String = "AVRO", references: [Reference] = [], ruleSet: String? = nil,
            serialized: String? = nil
        ) {
            self.type = type
            self.text = text
            self.references = references
            self.ruleSet = ruleSet
            self.serialized = serialized
        }
    }

    struct Version {
        var number: Int
        var id: Int
        /// Apicurio's number of it.
        var global: Int
        var isDeleted = false
    }

    struct State {
        var schemas: [Int: Schema] = [:]
        var guids: [Int: String] = [:]
        var subjects: [String: [Version]] = [:]
        /// Each with ids and subjects of its own, by its name with the dot before it.
        var contexts: [String: State] = [:]
        /// How many requests each still meets.
        var faults: [(fault: Fault, left: Int)] = []
        var requests: [String] = []
        /// The versions of Apicurio's own API that there are.
        var apicurioVersions: Set = [2, 3]
        var globals = 5000
        var lastHeaders: [String: String] = [:]
        var tokens: Tokens?
        /// Who alone is let in by AWS's API.
        var awsKeyID: String?
    }

    private final class Held: Sendable {
        let state = Mutex(State())
        let authorization: String?

        init(_ authorization: String?) { self.authorization = authorization }
    }

    private let held: Held
    private let server: MockHTTPServer

    /// - Parameters:
    ///   - port: 0 for any that is free.
    ///   - user: who alone is let in, with `password`.
    ///   - token: what alone is let in.
    public init(port: UInt16 = 0, user: String? = nil, password: String = "", token: String? = nil) throws {
        let basic = user.map { "Basic " + Data("\($0):\(password)".utf8).base64EncodedString() }
        let held = Held(basic ?? token.map { "Bearer \($0)" })
        self.held = held
        server = try MockHTTPServer(port: port) { request in
            if request.path.hasPrefix("/mock/") { return held.state.withLock { $0.control(request) } }
            if let answer = held.state.withLock({ $0.tokenAnswer(request) }) { return answer }
            guard held.authorization == nil || request.headers["authorization"] == held.authorization else {
                return .error(401, 401, "Unauthorized")
            }
            return held.state.withLock { $0.answer(request) }
        }
    }

    public var port: UInt16 { server.port }
    public var url: String { server.url }
    public func stop() { server.stop() }

    /// - Parameter subject: `:.context:name` for one of another context.
    /// - Returns: the id of the schema, which is now a version of the subject.
    @discardableResult
    public func register(_ schema: Schema, as subject: String, id: Int? = nil) -> Int {
        held.state.withLock { $0.register(schema, subject, id: id).id }
    }

    @discardableResult
    public func register(_ text: String, as subject: String, id: Int? = nil) -> Int {
        register(Schema(text), as: subject, id: id)
    }

    /// The headers of the last request, by their names in lower case.
    public var lastHeaders: [String: String] { held.state.withLock { $0.lastHeaders } }

    /// From now on `/oauth/token` gives tokens to this client, and only who has the last of them is let in.
    ///
    /// - Parameters:
    ///   - lifetime: in seconds.
    ///   - status: what the token server answers in place of a token.
    public func issueTokens(to client: String, secret: String, lifetime: Int = 3600, status: Int? = nil) {
        let authorization = "Basic " + Data("\(client):\(secret)".utf8).base64EncodedString()
        held.state.withLock { $0.tokens = Tokens(authorization: authorization, lifetime: lifetime, status: status) }
    }

    /// No token that was given so far is good any more.
    public func revokeTokens() { held.state.withLock { $0.tokens?.isRevoked = true } }

    /// How many tokens were given.
    public var tokenCount: Int { held.state.withLock { $0.tokens?.count ?? 0 } }

    /// From now on AWS's API lets in whoever signs as this one, and nobody else.
    public func acceptAWS(keyID: String) { held.state.withLock { $0.awsKeyID = keyID } }

    /// Apicurio's global id of the newest version of a subject.
    public func globalID(of subject: String) -> Int? { held.state.withLock { $0.subjects[subject]?.last?.global } }

    /// Apicurio's hash of a content id.
    public func contentHash(of id: Int) -> String { State.hash(of: id) }

    /// From now on it has these versions of Apicurio's own API alone.
    public func offerApicurio(_ versions: Set<Int>) { held.state.withLock { $0.apicurioVersions = versions } }

    /// The GUID of an id.
    public func guid(of id: Int) -> String? { held.state.withLock { $0.guids[id] } }

    /// Takes the newest version of a subject out of those that are shown.
    public func deleteNewest(of subject: String) {
        held.state.withLock { state in
            guard let last = state.subjects[subject]?.lastIndex(where: { !$0.isDeleted }) else { return }
            state.subjects[subject]?[last].isDeleted = true
        }
    }

    /// What the next requests meet, each behind those that were told before.
    public func fail(_ fault: Fault, times: Int = .max) { held.state.withLock { $0.faults.append((fault, times)) } }

    /// From now on it answers as it should.
    public func recover() { held.state.withLock { $0.faults.removeAll() } }

    /// What it was asked so far, each as its path.
    public var requests: [String] { held.state.withLock { $0.requests } }
}

extension RegistryMock.State {
    mutating func register(
        _ schema: RegistryMock.Schema, _ subject: String, id wanted: Int? = nil
    ) -> RegistryMock.Version {
        if let (context, subject) = Self.qualified(subject) {
            return contexts[context, default: Self()].register(schema, subject, id: wanted)
        }
        let known = schemas.first { $0.value == schema }?.key
        let id = wanted ?? known ?? (schemas.keys.max() ?? 0) + 1
        schemas[id] = schema
        if guids[id] == nil { guids[id] = UUID().uuidString.lowercased() }
        if let version = subjects[subject]?.first(where: { $0.id == id && !$0.isDeleted }) { return version }
        globals += 1
        let version = RegistryMock.Version(
            number: (subjects[subject]?.last?.number ?? 0) + 1, id: id, global: globals)
        subjects[subject, default: []].append(version)
        return version
    }

    mutating func answer(_ request: MockHTTPServer.Request) -> MockHTTPServer.Answer {
        requests.append(request.path)
        lastHeaders = request.headers
        guard !faults.isEmpty else { return rightAnswer(request) }
        let fault = faults[0].fault
        faults[0].left -= 1
        if faults[0].left <= 0 { faults.removeFirst() }
        switch fault {
        case .status(let status): return .error(status, status * 100 + 1, "as it was told")
        case .slow(let milliseconds): return .later(milliseconds: milliseconds, rightAnswer(request))
        case .silence: return .silence
        case .reset: return .reset
        case .missing: return .error(404, 40403, "Schema not found")
        case .aws(let name):
            let request = "The Canonical String for this request should have been\nx-amz-security-token:t0ken"
            return .awsError(name, "as it was told\n\n" + request)
        case .page:
            return .said(status: 200, headers: ["Content-Type": "text/html"], body: Array("<html></html>".utf8))
        }
    }

    /// The context and the name of a subject such as `:.context:name`.
    private static func qualified(_ subject: String) -> (context: String, subject: String)? {
        guard subject.hasPrefix(":."), let colon = subject.dropFirst().firstIndex(of: ":") else { return nil }
        return (String(subject[..<colon].dropFirst()), String(subject[subject.index(after: colon)...]))
    }

    private mutating func rightAnswer(_ request: MockHTTPServer.Request) -> MockHTTPServer.Answer {
        let parts = request.path.split(separator: "/").map { $0.removingPercentEncoding ?? String($0) }
        if parts.count > 2, parts[0] == "contexts" {
            return contexts[parts[1], default: Self()].rightAnswer(request, Array(parts.dropFirst(2)))
        }
        if parts.count > 1, parts[0] == "subjects", let (context, subject) = Self.qualified(parts[1]) {
            let rest = [parts[0], subject] + parts.dropFirst(2)
            return contexts[context, default: Self()].rightAnswer(request, rest)
        }
        if let answer = glueAnswer(request) ?? azureAnswer(request, parts) { return answer }
        return apicurioAnswer(request, parts) ?? rightAnswer(request, parts)
    }

    private mutating func rightAnswer(
        _ request: MockHTTPServer.Request, _ parts: [String]
    ) -> MockHTTPServer.Answer {
        let isSerialized = request.query["format"] == "serialized"
        switch (request.method, parts.count, parts.first) {
        case ("GET", 2, "schemas") where parts[1] == "types": return .json(["JSON", "PROTOBUF", "AVRO"])
        case ("GET", 3, "schemas") where parts[1] == "ids": return schema(of: Int(parts[2]), isSerialized)
        case ("GET", 3, "schemas") where parts[1] == "guids":
            return schema(of: guids.first { $0.value == parts[2].lowercased() }?.key, isSerialized)
        case ("GET", 4, "schemas") where parts[1] == "ids" && parts[3] == "versions":
            return versions(of: Int(parts[2]))
        case ("GET", 1, "subjects"): return .json(subjects.keys.sorted())
        case ("POST", 2, "subjects"): return lookUp(request, parts[1])
        case ("POST", 3, "subjects"): return add(request, parts[1])
        case ("GET", 3, "subjects"):
            guard let all = subjects[parts[1]] else { return .error(404, 40401, "Subject '\(parts[1])' not found.") }
            return .json(all.filter { !$0.isDeleted }.map(\.number))
        case ("GET", 4, "subjects"):
            return version(parts[3], of: parts[1], request.query["deleted"] == "true", isSerialized)
        case ("DELETE", 4, "subjects"): return delete(parts[3], of: parts[1])
        case ("GET", _, "config"), ("PUT", _, "config"):
            return .json(["compatibilityLevel": "NONE", "compatibility": "NONE"])
        default: return .error(404, 404, "HTTP 404 Not Found")
        }
    }

    private func schema(of id: Int?, _ isSerialized: Bool) -> MockHTTPServer.Answer {
        guard let id, let schema = schemas[id] else { return .error(404, 40403, "Schema not found") }
        var answer = fields(of: schema)
        if isSerialized { answer["schema"] = schema.serialized ?? schema.text }
        answer["guid"] = guids[id]
        return .json(answer)
    }

    private func fields(of schema: RegistryMock.Schema) -> [String: Any] {
        var fields: [String: Any] = ["schema": schema.text]
        // As Confluent's: what is of Avro does not say so.
        if schema.type != "AVRO" { fields["schemaType"] = schema.type }
        if !schema.references.isEmpty {
            fields["references"] = schema.references.map {
                ["name": $0.name, "subject": $0.subject, "version": $0.version] as [String: Any]
            }
        }
        if let rules = schema.ruleSet { fields["ruleSet"] = try? JSONSerialization.jsonObject(with: Data(rules.utf8)) }
        return fields
    }

    private func fields(of version: RegistryMock.Version, _ subject: String) -> [String: Any] {
        var fields = schemas[version.id].map { self.fields(of: $0) } ?? [:]
        fields["subject"] = subject
        fields["version"] = version.number
        fields["id"] = version.id
        fields["guid"] = guids[version.id]
        return fields
    }

    private func versions(of id: Int?) -> MockHTTPServer.Answer {
        guard let id, schemas[id] != nil else { return .error(404, 40403, "Schema not found") }
        let all = subjects.sorted { $0.key < $1.key }.flatMap { subject, versions in
            versions.filter { $0.id == id && !$0.isDeleted }.map {
                ["subject": subject, "version": $0.number] as [String: Any]
            }
        }
        return .json(all)
    }

    private func version(
        _ name: String, of subject: String, _ takesDeleted: Bool, _ isSerialized: Bool
    ) -> MockHTTPServer.Answer {
        guard let all = subjects[subject]?.filter({ takesDeleted || !$0.isDeleted }), !all.isEmpty else {
            return .error(404, 40401, "Subject '\(subject)' not found.")
        }
        let found = name == "latest" ? all.last : all.first { String($0.number) == name }
        guard let found else { return .error(404, 40402, "Version \(name) not found.") }
        var answer = fields(of: found, subject)
        if isSerialized, let serialized = schemas[found.id]?.serialized { answer["schema"] = serialized }
        return .json(answer)
    }

    private mutating func delete(_ name: String, of subject: String) -> MockHTTPServer.Answer {
        let index = subjects[subject]?.lastIndex { name == "latest" || String($0.number) == name }
        guard let index, let number = subjects[subject]?[index].number else {
            return .error(404, 40402, "Version \(name) not found.")
        }
        subjects[subject]?[index].isDeleted = true
        return .said(status: 200, body: Array(String(number).utf8))
    }

    private func sent(_ request: MockHTTPServer.Request) -> RegistryMock.Schema? {
        guard let object = try? JSONSerialization.jsonObject(with: Data(request.body)) as? [String: Any],
            let text = object["schema"] as? String
        else { return nil }
        let references = (object["references"] as? [[String: Any]] ?? []).compactMap { reference in
            (reference["name"] as? String).map { name in
                RegistryMock.Reference(
                    name: name, subject: reference["subject"] as? String ?? "",
                    version: reference["version"] as? Int ?? 0)
            }
        }
        let rules = (object["ruleSet"] as? [String: Any]).flatMap { try? JSONSerialization.data(withJSONObject: $0) }
        return RegistryMock.Schema(
            text, type: object["schemaType"] as? String ?? "AVRO", references: references,
            ruleSet: rules.map { String(decoding: $0, as: UTF8.self) })
    }

    private mutating func add(_ request: MockHTTPServer.Request, _ subject: String) -> MockHTTPServer.Answer {
        guard let schema = sent(request) else { return .error(422, 42201, "no schema") }
        let version = register(schema, subject)
        return .json(fields(of: version, subject))
    }

    private func lookUp(_ request: MockHTTPServer.Request, _ subject: String) -> MockHTTPServer.Answer {
        guard let all = subjects[subject] else { return .error(404, 40401, "Subject '\(subject)' not found.") }
        guard let schema = sent(request),
            let version = all.first(where: { schemas[$0.id] == schema && !$0.isDeleted })
        else { return .error(404, 40403, "Schema not found") }
        return .json(fields(of: version, subject))
    }
}
