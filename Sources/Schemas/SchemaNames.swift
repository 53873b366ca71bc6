import Synchronization

/// The names behind ids that are made from names, for whoever has to ask. Other people's input, so no more are kept than
/// anybody has; what was let go is noted again with its next message.
final class SchemaNames: Sendable {
    private static let most = 10_000

    private let names = Mutex<[SchemaID: SchemaName]>([:])

    subscript(id: SchemaID) -> SchemaName? { names.withLock { $0[id] } }

    func note(_ name: SchemaName, for id: SchemaID) {
        names.withLock { names in
            if names.count >= Self.most { names.removeAll() }
            names[id] = name
        }
    }
}
