import Foundation

/// Where the package's programs are, as they were built along with the tests.
public func builtProgram(_ name: String) throws -> URL {
    // On Linux the test program lies beside them; on macOS it is a bundle there, some levels deep.
    let starts = [Bundle.main.executableURL].compactMap { $0 } + CommandLine.arguments.map { URL(filePath: $0) }
    for start in starts {
        var directory = start
        for _ in 0..<5 {
            directory = directory.deletingLastPathComponent()
            let program = directory.appending(path: name)
            if FileManager.default.isExecutableFile(atPath: program.path()) { return program }
        }
    }
    throw CocoaError(.fileNoSuchFile, userInfo: [NSFilePathErrorKey: name])
}

extension [String: String] {
    /// These settings, with what a program needs to find others and its libraries as this one does: where the tests run with
    /// another librdkafka, so must the loaders that they start.
    public var withInheritance: [String: String] {
        let inherited = ProcessInfo.processInfo.environment.filter { ["PATH", "LD_LIBRARY_PATH"].contains($0.key) }
        return merging(inherited) { own, _ in own }
    }
}
