/// Whose registry it is: how it is asked, and how messages name what it has.
public enum RegistryKind: String, Sendable, CaseIterable {
    /// With Confluent's API, as Redpanda, Karapace and Apicurio have it as well.
    case confluent
    /// Apicurio's, with its own API.
    case apicurio
    /// AWS Glue's.
    case glue
    /// Azure's, which is part of Event Hubs.
    case azure

    /// What people call it.
    var name: String {
        switch self {
        case .confluent: "Confluent's API"
        case .apicurio: "Apicurio"
        case .glue: "AWS Glue"
        case .azure: "Azure"
        }
    }
}
