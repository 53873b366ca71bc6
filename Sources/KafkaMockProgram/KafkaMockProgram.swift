import ArgumentParser
import Foundation
import KafkaMock

@main
struct KafkaMockProgram: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kafka-mock",
        abstract: "A mock Kafka cluster on loopback ports, for tests and for trying things out.",
        discussion: """
            Prints BOOTSTRAP and its addresses on the first line, and serves until SIGTERM, SIGINT or the end of its input, \
            so that it never outlives the program that started it. Keeps about 5 MB a partition (as compressed), in memory.

            Commands on its input, one a line, each answered with "ok" or "error" and the reason:
            \(MockCommand.allForms.map { "  \($0)" }.joined(separator: "\n"))

            EXAMPLES
              kafka-mock --topic orders:12
              kafka-mock --brokers 3 --topic orders:12 --topic payments:6 --daemon
            """)

    @Option(help: "How many brokers, 1 to 100.")
    var brokers = 1

    @Option(name: .customLong("topic"), help: ArgumentHelp("A topic to create.", valueName: "name:partitions"))
    var topics: [TopicArgument] = []

    @Flag(help: "Keep serving after the end of the input.")
    var daemon = false

    func run() throws {
        // Whoever started this may have had them blocked: Foundation's `Process` does, and a child inherits that.
        var unblocked = sigset_t()
        sigemptyset(&unblocked)
        for signalNumber in [SIGTERM, SIGINT] {
            sigaddset(&unblocked, signalNumber)
            signal(signalNumber) { _ in _exit(0) }  // nothing is kept, so there is nothing to put away
        }
        sigprocmask(SIG_UNBLOCK, &unblocked, nil)
        let cluster = try MockCluster(brokers: brokers)
        for topic in topics { try cluster.createTopic(topic.name, partitions: topic.partitions) }
        say("BOOTSTRAP \(cluster.bootstrapServers)")
        while let line = readLine() {
            do {
                try MockCommand(line)?.apply(to: cluster)
                say("ok")
            } catch {
                say("error \(error)")
            }
        }
        withExtendedLifetime(cluster) {
            while daemon { pause() }
        }
    }

    /// Unlike `print`, not kept back when the output is a pipe.
    private func say(_ line: String) {
        FileHandle.standardOutput.write(Data((line + "\n").utf8))
    }
}

/// `NAME:PARTITIONS`
struct TopicArgument: ExpressibleByArgument {
    var name: String
    var partitions: Int

    init?(argument: String) {
        guard let colon = argument.lastIndex(of: ":"), let partitions = Int(argument[argument.index(after: colon)...]),
            colon > argument.startIndex
        else { return nil }
        name = String(argument[..<colon])
        self.partitions = partitions
    }
}
