import Records

/// Which fields of a message the routes of its topic take, so that it can be told which they leave.
package struct TakenFields {
    private let taken: Set<[String]>
    /// What a taken path leads through: objects of which only a part is used.
    private let opened: Set<[String]>
    /// Paths that take fields of other names than their own.
    private let loose: [FieldPath]
    /// A column takes the whole message.
    package let takesAll: Bool

    package init(by targets: [Target]) {
        var taken: Set<[String]> = []
        var loose: [FieldPath] = []
        var takesAll = false
        for source in targets.flatMap(\.sources) {
            switch source {
            case .field(let path):
                taken.insert(path.components)
                if path.names != .exact { loose.append(path) }
            case .value: takesAll = true
            default: break
            }
        }
        // What is around a row in an envelope is nobody's to route.
        if targets.contains(where: { $0.route.envelope != nil }) { takesAll = true }
        self.taken = taken
        self.loose = loose
        self.takesAll = takesAll
        opened = Set(taken.flatMap { path in path.indices.dropFirst().map { Array(path[..<$0]) } })
    }

    package func takes(_ path: [String]) -> Bool {
        taken.contains(path) || loose.contains { $0.takes(path) }
    }

    /// Whether a part of the object at this path is taken.
    package func opens(_ path: [String]) -> Bool { opened.contains(path) }
}
