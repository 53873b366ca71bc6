import Synchronization

/// What all threads of a process know of a registry's schemas.
public final class SchemaSource: Sendable {
    public let registry: RegistryOptions
    /// Whose newest versions messages are of that do not say it themselves.
    private let subjects = Mutex<[String]>([])
    let names = SchemaNames()
    private let memory = Mutex(SchemaMemory())

    public init(_ registry: RegistryOptions) { self.registry = registry }

    /// The id that stands for the newest version of a subject. Which that is, is asked once.
    public func newest(ofSubject subject: String) -> SchemaID {
        subjects.withLock { subjects in
            if let place = subjects.firstIndex(of: subject) { return .subject(place) }
            subjects.append(subject)
            return .subject(subjects.count - 1)
        }
    }

    func subject(of id: SchemaID) -> String { subjects.withLock { $0[Int(id.low)] } }

    /// What is known already.
    public func known(_ id: SchemaID) -> RegisteredSchema? {
        if case .known(let schema) = step(id) { schema } else { nil }
    }

    func step(_ id: SchemaID) -> SchemaMemory.Step { memory.withLock { $0.step(id, at: .now) } }
    func note(_ schema: RegisteredSchema, for id: SchemaID) { memory.withLock { $0.note(schema, for: id) } }
    func noteUnknown(_ id: SchemaID) { memory.withLock { $0.noteUnknown(id, at: .now) } }
}
