import Foundation

/// What `kafka.reset_on_start` means by a deployment.
enum DeploymentName {
    /// Nil where nothing shall be reset.
    static func of(_ configuration: Configuration) -> String? {
        let text = configuration.resetOnStart
        switch text.lowercased() {
        case "", "false", "no", "off", "0": return nil
        case "true", "yes", "on", "1": return fingerprint(configuration)
        default: return text
        }
    }

    /// The same for the same program with the same configuration: a crash, a restart and another instance are no new
    /// deployment, a new build or a changed route is. What only says how it is watched does not count.
    private static func fingerprint(_ configuration: Configuration) -> String {
        var hash = FNV()
        if let program = Bundle.main.executableURL,
            let data = try? Data(contentsOf: program.resolvingSymlinksInPath(), options: .mappedIfSafe)
        {
            data.withUnsafeBytes { hash.add($0) }
        }
        for line in ConfigurationReport(configuration).lines
        where !line.path.hasPrefix("log.") && !line.path.hasPrefix("http.") {
            Array("\(line.path)=\(line.value)\n".utf8).withUnsafeBytes { hash.add($0) }
        }
        return String(hash.value, radix: 16)
    }

    /// FNV-1a, eight bytes at a time: enough to tell builds from one another.
    private struct FNV {
        var value: UInt64 = 14_695_981_039_346_656_037

        mutating func add(_ bytes: UnsafeRawBufferPointer) {
            var position = 0
            while position + 8 <= bytes.count {
                value = (value ^ bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)) &* 1_099_511_628_211
                position += 8
            }
            for byte in bytes[position...] { value = (value ^ UInt64(byte)) &* 1_099_511_628_211 }
        }
    }
}
