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
        return merging(inherited) { own, _ in own }.merging(properties) { own, _ in own }
    }

    /// What clients of the cluster of `KAFKA_BROKERS` need besides, where it is the one that they are for.
    private var properties: [String: String] {
        let brokers = ProcessInfo.processInfo.environment["KAFKA_BROKERS"]
        guard let own = self["KAFKA_BROKERS"], own == brokers else { return [:] }
        return Broker.externalProperties.asVariables
    }

    /// librdkafka's properties as the loader's variables.
    public var asVariables: [String: String] {
        let named = map { ("LOADER_KAFKA_PROPERTIES_" + $0.key.uppercased().replacing(".", with: "_"), $0.value) }
        return [String: String](named) { $1 }
    }
}
