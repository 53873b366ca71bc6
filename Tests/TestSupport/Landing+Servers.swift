import Foundation

extension Landing {
    /// The same landing on another server, which has taken over from the one it was made on.
    public func moved(to server: PostgresServer) -> Landing {
        Landing(
            broker: broker, server: server,
            schema: PostgresServer.Schema(
                name: schema.name, url: server.url(adding: ["options": "-csearch_path=\(schema.name),public"])),
            topic: topic, group: group)
    }

    /// What a loader needs on top of `environment` to come by way of PgBouncer.
    public func settings(behind bouncer: PgBouncer) -> [String: String] {
        ["DATABASE_URL": bouncer.url(schema.url), "LOADER_TABLE": "\(schema.name).landed"]
    }
}
