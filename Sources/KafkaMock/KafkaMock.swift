import ArgumentParser

@main
struct KafkaMock: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "kafka-mock", abstract: "A mock Kafka cluster.")
}
