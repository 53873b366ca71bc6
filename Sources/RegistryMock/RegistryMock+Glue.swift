import Foundation

/// AWS Glue's API on the same schemas: a version's id is the GUID of the schema's, a subject is a schema of the registry
/// `default-registry`, or of that before a slash. It looks at who signs, and not at the signature.
extension RegistryMock.State {
    /// - Returns: nil if it is no request of that API.
    mutating func glueAnswer(_ request: MockHTTPServer.Request) -> MockHTTPServer.Answer? {
        guard request.method == "POST", let target = request.headers["x-amz-target"] else { return nil }
        if let id = awsKeyID, !(request.headers["authorization"] ?? "").contains("Credential=\(id)/") {
            return .awsError("UnrecognizedClientException", "The security token included in the request is invalid.")
        }
        guard let body = try? JSONSerialization.jsonObject(with: Data(request.body)) as? [String: Any] else {
            return .awsError("SerializationException", "no JSON")
        }
        let names = (body["SchemaId"] ?? body["RegistryId"]) as? [String: Any] ?? [:]
        let registry = names["RegistryName"] as? String ?? "default-registry"
        let name = names["SchemaName"] as? String ?? body["SchemaName"] as? String ?? ""
        let subject = registry == "default-registry" ? name : "\(registry)/\(name)"
        let definition = body["SchemaDefinition"] as? String ?? ""
        switch target {
        case "AWSGlue.GetSchemaVersion":
            if let id = body["SchemaVersionId"] as? String {
                guard let found = guids.first(where: { $0.value == id.lowercased() })?.key else { return .noVersion }
                return version(found)
            }
            guard let last = subjects[subject]?.last else {
                return .awsError("EntityNotFoundException", "Schema is not found.")
            }
            return version(last.id)
        case "AWSGlue.GetSchemaByDefinition":
            guard let all = subjects[subject] else {
                return .awsError("EntityNotFoundException", "Schema is not found.")
            }
            guard let found = all.first(where: { schemas[$0.id]?.text == definition }) else { return .noVersion }
            return version(found.id)
        case "AWSGlue.CreateSchema", "AWSGlue.RegisterSchemaVersion":
            let type = body["DataFormat"] as? String ?? subjects[subject]?.last.flatMap { schemas[$0.id]?.type }
            let registered = register(.init(definition, type: type ?? "AVRO"), subject)
            return version(registered.id)
        default: return .awsError("UnknownOperationException", target)
        }
    }

    private func version(_ id: Int) -> MockHTTPServer.Answer {
        guard let schema = schemas[id], let guid = guids[id] else { return .noVersion }
        let held = subjects.first { $0.value.contains { $0.id == id } }
        let subject = held?.key ?? ""
        let arn = "arn:aws:glue:eu-west-1:123456789012:schema/"
        return .json([
            "SchemaVersionId": guid, "SchemaDefinition": schema.text, "DataFormat": schema.type, "Status": "AVAILABLE",
            "SchemaArn": arn + (subject.contains("/") ? subject : "default-registry/\(subject)"),
            "VersionNumber": held?.value.first { $0.id == id }?.number ?? 1,
        ])
    }
}

extension MockHTTPServer.Answer {
    static func awsError(_ name: String, _ message: String) -> MockHTTPServer.Answer {
        let body = try? JSONSerialization.data(withJSONObject: ["__type": name, "Message": message])
        return .said(
            status: 400, headers: ["Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": name],
            body: Array(body ?? Data()))
    }

    fileprivate static let noVersion = awsError("EntityNotFoundException", "Schema version is not found.")
}
