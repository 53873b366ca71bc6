/// How a registry is asked for what messages name. Each belongs to one thread, which waits in it.
protocol RegistryAPI: AnyObject {
    /// The schema of an id that a message names, or a route's configuration.
    ///
    /// - Parameter name: what the id was made from, if it is made from names.
    func schema(
        _ id: SchemaID, _ name: SchemaName?, _ isGivenUp: () -> Bool
    ) throws(RegistryFailure) -> RegisteredSchema

    /// The newest version of a subject, or of what the registry has in place of subjects.
    func newest(ofSubject subject: String, _ isGivenUp: () -> Bool) throws(RegistryFailure) -> RegisteredSchema

    /// The subject and the version that an id stands for, where the registry says them apart from the schema.
    func place(of id: SchemaID) throws(RegistryFailure) -> (subject: String, version: Int)?

    /// Asks for something, so as to see whether it is there and lets this one in.
    func greet(_ isGivenUp: () -> Bool) throws(RegistryFailure)
}

extension RegistryAPI {
    func place(of id: SchemaID) throws(RegistryFailure) -> (subject: String, version: Int)? { nil }
}

extension RegistryOptions {
    func makeAPI() -> any RegistryAPI {
        switch naming.kind {
        case .confluent: RegistryClient(self)
        case .apicurio: ApicurioRegistry(self)
        case .glue: GlueRegistry(self)
        case .azure: AzureRegistry(self)
        }
    }
}
