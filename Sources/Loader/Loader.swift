import ArgumentParser

@main
struct Loader: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "loader", abstract: "Kafka topics into PostgreSQL.")
}
