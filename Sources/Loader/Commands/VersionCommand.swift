import ArgumentParser
import CBuild
import Kafka
import Postgres

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version",
        abstract: "Show the versions of the loader and of the libraries it runs with.",
        discussion: """
            EXAMPLES:
              loader version
              loader --version
            """)

    func run() { print(Version.all) }
}

enum Version {
    static let loader = "0.1.0"
    /// What it was built from; see `build_commit`.
    static let commit = String(cString: build_commit())

    static var all: String {
        "loader \(loader) (\(commit))\nlibrdkafka \(KafkaLibrary.versionString)\nlibpq \(PostgresLibrary.versionString)"
    }
}
