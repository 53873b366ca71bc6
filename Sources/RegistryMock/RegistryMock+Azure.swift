import Foundation

/// Azure's API on the same schemas: an id is the GUID of the schema's without its dashes, a subject is a schema of the group
/// before a slash.
extension RegistryMock.State {
    /// - Returns: nil if it is no request of that API.
    mutating func azureAnswer(_ request: MockHTTPServer.Request, _ parts: [String]) -> MockHTTPServer.Answer? {
        guard parts.first == "$schemaGroups" else { return nil }
        guard request.query["api-version"] != nil else {
            return .azureError(400, "MissingApiVersion", "The api-version query parameter is required.")
        }
        switch (request.method, parts.count) {
        case ("GET", 1):
            return .json([
                "Value": Set(subjects.keys.compactMap { $0.split(separator: "/").first.map(String.init) }).sorted()
            ])
        case ("GET", 3) where parts[1] == "$schemas":
            let id = guids.first { $0.value.filter { $0 != "-" } == parts[2].lowercased() }?.key
            let held = subjects.lazy.compactMap { subject, versions in
                versions.first { $0.id == id }.map { (subject, $0) }
            }.first
            return azureSchema(held?.0, held?.1)
        case ("GET", 5) where parts[4] == "versions":
            guard let all = subjects["\(parts[1])/\(parts[3])"] else { return .noItem }
            return .json(["Value": all.map(\.number)])
        case ("GET", 6) where parts[4] == "versions":
            let subject = "\(parts[1])/\(parts[3])"
            return azureSchema(subject, subjects[subject]?.first { String($0.number) == parts[5] })
        // The client registers a schema so, and asks for its properties.
        case ("PUT", 4), ("POST", 4):
            let subject = "\(parts[1])/\(parts[3])"
            let registered = register(.init(String(decoding: request.body, as: UTF8.self)), subject)
            guard case .said(_, let headers, _) = azureSchema(subject, registered) else { return .noItem }
            return .said(status: 204, headers: headers, body: [])
        default: return .noItem
        }
    }

    private func azureSchema(_ subject: String?, _ version: RegistryMock.Version?) -> MockHTTPServer.Answer {
        guard let subject, let version, let schema = schemas[version.id], let guid = guids[version.id] else {
            return .noItem
        }
        let names = subject.split(separator: "/").map(String.init)
        let format = ["AVRO": "Avro", "JSON": "Json"][schema.type] ?? "Protobuf"
        return .said(
            status: 200,
            headers: [
                "Content-Type": "application/json; serialization=\(format)", "Schema-Id": guid.filter { $0 != "-" },
                "Schema-Group-Name": names.first ?? "", "Schema-Name": names.last ?? "",
                "Schema-Version": String(version.number),
            ], body: Array(schema.text.utf8))
    }
}

extension MockHTTPServer.Answer {
    fileprivate static func azureError(_ status: Int, _ code: String, _ message: String) -> MockHTTPServer.Answer {
        let body = try? JSONSerialization.data(withJSONObject: ["error": ["code": code, "message": message]])
        return .said(status: status, headers: ["Content-Type": "application/json"], body: Array(body ?? Data()))
    }

    fileprivate static let noItem = azureError(404, "ItemNotFound", "There is no such schema.")
}
