import Foundation

/// What a running loader shows of itself. Read from `/proc`, so on Linux only.
extension LoaderProcess {
    /// A metric without labels, or the sum over its labels; nil while the loader does not answer.
    public func metric(_ name: String) -> Double? {
        guard let port = listeningPort, let page = try? httpGet("/metrics", port: port) else { return nil }
        var sum: Double?
        for line in page.split(whereSeparator: \.isNewline) where line.hasPrefix(name) {
            let rest = line.dropFirst(name.count)
            guard rest.first == " " || rest.first == "{" else { continue }
            if let value = line.split(separator: " ").last.flatMap({ Double($0) }) { sum = (sum ?? 0) + value }
        }
        return sum
    }

    /// What `/status.json` says, headers and all; nil while the loader does not answer.
    var status: String? { listeningPort.flatMap { try? httpGet("/status.json", port: $0) } }

    /// Waits until it has committed a batch since its start.
    public func waitForFirstBatch(within timeout: Duration = .seconds(60)) async throws {
        do {
            try await eventually("a first batch", within: timeout) {
                guard isRunning else { throw Unexpected(what: "ended by itself before a first batch", output: output) }
                return metric("loader_batches_total") ?? 0 > 0
            }
        } catch let error as TimedOut {
            throw Unexpected(what: "\(error)", output: output)
        }
    }

    /// Memory in use, in bytes; nil once it has ended.
    public var residentBytes: Int? {
        guard let status = try? String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmRSS:") }),
            let kilobytes = line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap({ Int($0) })
        else { return nil }
        return kilobytes * 1024
    }

    /// Open descriptors; nil once it has ended.
    public var descriptorCount: Int? {
        try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(id)/fd").count
    }

    /// The TCP port that it listens on; nil while there is none.
    private var listeningPort: UInt16? { listeningPorts.first }

    /// All TCP ports that it listens on: its own, and what it has from whoever started it.
    public var listeningPorts: [UInt16] { sockets.filter(\.isListening).map(\.localPort) }

    /// The local ports of its TCP connections: what `pg_stat_activity.client_port` shows of them.
    public var localPorts: [UInt16] { sockets.filter { !$0.isListening }.map(\.localPort) }

    private struct Socket {
        var localPort: UInt16
        var isListening: Bool
    }

    /// Its TCP sockets over IPv4.
    private var sockets: [Socket] {
        let descriptors = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(id)/fd")) ?? []
        var inodes: Set<Substring> = []
        for descriptor in descriptors {
            let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(id)/fd/\(descriptor)")
            guard let target, target.hasPrefix("socket:[") else { continue }
            inodes.insert(target.dropFirst("socket:[".count).dropLast())
        }
        // Not by way of Foundation's file size, which is 0 for these.
        guard let table = FileHandle(forReadingAtPath: "/proc/net/tcp")?.readDataToEndOfFile() else { return [] }
        return String(decoding: table, as: UTF8.self).split(separator: "\n").dropFirst().compactMap { line in
            // sl local_address rem_address st … inode: proc(5). State 0A is LISTEN.
            let fields = line.split(separator: " ")
            guard fields.count > 9, inodes.contains(fields[9]),
                let port = fields[1].split(separator: ":").last.flatMap({ UInt16($0, radix: 16) })
            else { return nil }
            return Socket(localPort: port, isListening: fields[3] == "0A")
        }
    }
}
