import ArgumentParser
import Foundation
import RegistryMock

@main
struct RegistryMockProgram: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "registry-mock",
        abstract: "A mock schema registry on a loopback port, for tests and for trying things out.",
        discussion: """
            Prints URL and its address on the first line, and serves Confluent's API, and the same schemas by Apicurio's (/apis/registry/v3), \
            AWS Glue's and Azure's, in memory, until SIGTERM, SIGINT or the \
            end of its input, so that it never outlives the program that started it.

            POST /mock/fail/FAULT?times=N makes the next N requests fail, or all: 503 (or another status), \
            slow-MILLISECONDS, silence, reset, missing, page. POST /mock/recover ends that, GET /mock/requests tells what was \
            asked.

            EXAMPLES
              registry-mock
              registry-mock --port 8081 --user me --password secret --daemon
            """)

    @Option(help: "The port; 0 for any that is free.")
    var port: UInt16 = 0

    @Option(help: "Who alone is let in.")
    var user: String?

    @Option(help: "With which password.")
    var password = ""

    @Option(help: "Which token alone is let in.")
    var token: String?

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
        let registry = try RegistryMock(port: port, user: user, password: password, token: token)
        FileHandle.standardOutput.write(Data("URL \(registry.url)\n".utf8))
        while readLine() != nil {}
        withExtendedLifetime(registry) {
            while daemon { pause() }
        }
    }
}
