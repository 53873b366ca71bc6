import Records

/// Which fields of a message the routes of its topic take, so that it can be told which they leave.
package struct TakenFields {
    private let taken: Set<[String]>
    /// What a taken path leads through: objects of which only a part is used.
    private let opened: Set<[String]>
    /// Paths that take fields of other names than their own.
    private let loose: [FieldPath]
    /// A column takes the whole message, or its records are not looked at one by one.
    package let takesAll: Bool
    /// An envelope has put fields beside those of the row, whose names begin so.
    private let hasAdditions: Bool

    package init(by targets: [Target]) {
        var taken: Set<[String]> = []
        var loose: [FieldPath] = []
        for path in targets.flatMap({ $0.recordPaths + $0.asidePaths }) {
            taken.insert(path.components)
            if path.names != .exact { loose.append(path) }
        }
        // What holds elements is taken with all that is in it.
        for target in targets { if let name = target.route.each?.steps.first?.name { taken.insert([name]) } }
        self.taken = taken
        self.loose = loose
        takesAll = targets.contains { target in
            target.route.each?.isMessage == true || target.columns.contains { $0.source == .value }
        }
        hasAdditions = targets.contains { $0.route.envelope?.flat != nil }
        opened = Set(taken.flatMap { path in path.indices.dropFirst().map { Array(path[..<$0]) } })
    }

    package func takes(_ path: [String]) -> Bool {
        taken.contains(path) || loose.contains { $0.takes(path) }
            || hasAdditions && path.count == 1 && path[0].hasPrefix(Envelope.Flat.addition)
    }

    /// Whether a part of the object at this path is taken.
    package func opens(_ path: [String]) -> Bool { opened.contains(path) }
}

extension Target {
    /// The field of a message's record that a column takes, as its route names it; nil where it takes none: also a field of an
    /// element, which a message has several of.
    package func recordPath(of column: Column) -> FieldPath? {
        switch (column.source, route.each) {
        case (.field(let path), nil): path
        case (.parent(let levels, let path), let each?) where levels == each.steps.count && !each.isMessage: path
        default: nil
        }
    }

    package var recordPaths: [FieldPath] { columns.compactMap { recordPath(of: $0) } }
}

extension Target {
    /// The fields of a message's record that decide what becomes of it, and which table it goes to.
    fileprivate var asidePaths: [FieldPath] {
        ((route.condition?.sources ?? []) + (route.template?.sources ?? [])).compactMap {
            if case .field(let path) = $0 { path } else { nil }
        }
    }
}
