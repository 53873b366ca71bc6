import Foundation

/// Apicurio's own API on the same schemas, versions 3 and 2, as far as the loader needs it: `/apis/registry/v3`. Content ids are the
/// schemas' ids, global ids count the versions from 5001 on, so that nobody takes one for the other. A subject is an artifact
/// of the group `default`, or of that before a slash.
extension RegistryMock.State {
    /// - Returns: nil if it is no request of that API.
    func apicurioAnswer(_ request: MockHTTPServer.Request, _ parts: [String]) -> MockHTTPServer.Answer? {
        guard parts.count > 3, parts[0] == "apis", parts[1] == "registry", let version = Int(parts[2].dropFirst())
        else { return nil }
        guard apicurioVersions.contains(version) else { return .page404 }
        let rest = Array(parts[3...])
        switch rest[0] {
        case "system" where rest.count == 2 && rest[1] == "info":
            return .json(["name": "Apicurio Registry (a mock)", "version": version == 3 ? "3.1.0" : "2.6.13.Final"])
        case "search" where rest.count == 2: return search(request.query, version)
        case "ids" where rest.count >= 3:
            let id: Int? =
                switch rest[1] {
                case "contentIds": Int(rest[2])
                case "globalIds":
                    Int(rest[2]).flatMap { global in all.first { $0.version.global == global }?.version.id }
                case "contentHashes": schemas.keys.first { Self.hash(of: $0) == rest[2] }
                default: nil
                }
            return content(id, references: rest.last == "references", version)
        case "groups" where rest.count >= 4 && rest[2] == "artifacts":
            return artifact(rest[1] == "default" ? rest[3] : "\(rest[1])/\(rest[3])", Array(rest[4...]), version)
        default: return .page404
        }
    }

    /// What stands for the SHA-256 of a schema, which nobody here computes.
    static func hash(of id: Int) -> String {
        let digits = String(id, radix: 16)
        return String(repeating: "0", count: 64 - digits.count) + digits
    }

    private var all: [(subject: String, version: RegistryMock.Version)] {
        subjects.sorted { $0.key < $1.key }.flatMap { subject, versions in versions.map { (subject, $0) } }
    }

    private static func names(of subject: String) -> (group: String, artifact: String) {
        let parts = subject.split(separator: "/", maxSplits: 1).map(String.init)
        return parts.count == 2 ? (parts[0], parts[1]) : ("default", subject)
    }

    private func search(_ query: [String: String], _ version: Int) -> MockHTTPServer.Answer {
        let found = all.filter { subject, version in
            let names = Self.names(of: subject)
            return (query["contentId"].map { Int($0) == version.id } ?? true)
                && (query["globalId"].map { Int($0) == version.global } ?? true)
                && (query["groupId"].map { $0 == names.group } ?? true)
                && (query["artifactId"].map { $0 == names.artifact } ?? true)
                && (query["version"].map { Int($0) == version.number } ?? true)
        }
        let ordered = query["order"] == "desc" ? found.reversed() : found
        let limited = ordered.prefix(query["limit"].flatMap { Int($0) } ?? 20)
        let items = limited.map { subject, held -> [String: Any] in
            let (names, type) = (Self.names(of: subject), schemas[held.id]?.type ?? "AVRO")
            return version == 3
                ? [
                    "artifactType": type, "groupId": names.group, "artifactId": names.artifact,
                    "version": String(held.number), "globalId": held.global, "contentId": held.id,
                ] : ["type": type, "groupId": names.group, "id": names.artifact]
        }
        return .json(["count": found.count, version == 3 ? "versions" : "artifacts": items] as [String: Any])
    }

    private func content(_ id: Int?, references: Bool, _ version: Int) -> MockHTTPServer.Answer {
        guard let id, let schema = schemas[id] else { return .noContent(version) }
        guard references else { return .said(status: 200, headers: [:], body: Array(schema.text.utf8)) }
        return .json(
            schema.references.map { reference in
                let names = Self.names(of: reference.subject)
                return [
                    "groupId": names.group == "default" ? NSNull() : names.group, "artifactId": names.artifact,
                    "version": String(reference.version), "name": reference.name,
                ] as [String: Any]
            })
    }

    /// `versions/V/content` and `versions/V/references` of 3, `versions/V` and nothing at all of 2, and its `meta`.
    private func artifact(_ subject: String, _ rest: [String], _ version: Int) -> MockHTTPServer.Answer {
        guard let versions = subjects[subject], let last = versions.last else { return .noContent(version) }
        if rest == ["meta"], version == 2 {
            return .json(["id": Self.names(of: subject).artifact, "version": String(last.number)])
        }
        guard rest.count >= 2, rest[0] == "versions" else { return .page404 }
        let held = rest[1] == "branch=latest" && version == 3 ? last : versions.first { String($0.number) == rest[1] }
        let isContent = rest.count == 2 ? version == 2 : rest[2] == "content" && version == 3
        let isReferences = rest.count == 3 && rest[2] == "references"
        guard isContent || isReferences else { return .page404 }
        return content(held?.id, references: isReferences, version)
    }
}

extension MockHTTPServer.Answer {
    /// As a server says it of a path that it does not have.
    fileprivate static let page404 = MockHTTPServer.Answer.said(
        status: 404, headers: ["Content-Type": "text/html"], body: Array("<html>no such page</html>".utf8))

    fileprivate static func noContent(_ version: Int) -> MockHTTPServer.Answer {
        let words = "No content with such an ID was found."
        let body: [String: Any] =
            version == 3
            ? ["title": words, "status": 404, "name": "ContentNotFoundException"]
            : ["message": words, "error_code": 404, "name": "ContentNotFoundException"]
        return .said(
            status: 404, headers: ["Content-Type": "application/json"],
            body: Array((try? JSONSerialization.data(withJSONObject: body)) ?? Data()))
    }
}
