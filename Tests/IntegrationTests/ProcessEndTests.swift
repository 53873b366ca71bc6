import Foundation
import TestSupport
import Testing

@Suite("The end of the process")
struct ProcessEndTests {
    /// A library that crashes when the process puts its libraries away, as OpenSSL makes a client that is still at work.
    private func withCrashAtExit<Result>(_ body: (String) async throws -> Result) async throws -> Result {
        let directory = FileManager.default.temporaryDirectory.appending(path: "crash-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: directory) }
        let (source, library) = (directory.appending(path: "crash.c"), directory.appending(path: "crash.so"))
        try "__attribute__((destructor)) static void crash(void) { __builtin_trap(); }".write(
            to: source, atomically: true, encoding: .utf8)
        let compiler = Process()
        compiler.executableURL = URL(filePath: "/usr/bin/env")
        compiler.arguments = ["clang", "-shared", "-fPIC", "-o", library.path(), source.path()]
        try compiler.run()
        compiler.waitUntilExit()
        try #require(compiler.terminationStatus == 0)
        return try await body(library.path())
    }

    @Test("a command ends with its own status and all it has to say, whatever libraries would do at the end")
    func status() async throws {
        try await withCrashAtExit { library in
            let preload = ["LD_PRELOAD": library]
            let version = try await Command.run(["version"], preload)
            #expect(version.status == 0)
            #expect(version.output.contains("librdkafka "))
            let help = try await Command.run(["run", "--help"], preload)
            #expect(help.status == 0)
            #expect(help.output.contains("--until-end"))
            let wrong = try await Command.run(["run", "--no-such-option"], preload)
            #expect(wrong.status == 64)
            #expect(wrong.errors.contains("--no-such-option"))
        }
    }
}
