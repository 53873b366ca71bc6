import NIOCore

/// The connections of one event loop, never more than a number of them.
final class OpenConnections {
    private let limit: Int
    private var connections: [ObjectIdentifier: HTTPConnection] = [:]

    init(limit: Int) { self.limit = limit }

    func add(_ connection: HTTPConnection) {
        while connections.count >= limit, let least = inOrderOfUse.first { close(least) }
        connections[ObjectIdentifier(connection)] = connection
    }

    func remove(_ connection: HTTPConnection) { connections[ObjectIdentifier(connection)] = nil }

    /// Gives back the descriptors of those that are of no use now.
    func closeIdle() {
        for connection in inOrderOfUse.prefix(max(1, connections.count / 2)) { close(connection) }
    }

    private func close(_ connection: HTTPConnection) {
        remove(connection)
        connection.close()
    }

    /// Who waits for an answer comes last, and of the others who was heard of last: not a thousand silent connections keep
    /// a probe out.
    private var inOrderOfUse: [HTTPConnection] {
        connections.values.sorted { ($0.phase, $0.lastHeard) < ($1.phase, $1.lastHeard) }
    }
}
