import Postgres

extension Route {
    /// How a history says from when until when a row holds.
    public struct Validity: Sendable, Equatable {
        /// What is the same in all versions of a row.
        public var key: [String] = []
        /// The column that messages fill with when the version begins.
        public var from: String?
        /// The column that gets the beginning of the next version, and is NULL in the last one.
        public var to: String?

        public init() {}

        var isAsked: Bool { self != Validity() }

        /// The columns that messages have to fill.
        var loaded: [String] { key + [from].compactMap(\.self) }
    }
}

extension Target {
    /// A history's versions, by the places of their columns.
    package struct Validity: Sendable {
        package var key: [Int]
        package var from: Int
        /// Loaded by no message.
        package var to: String
        /// What says of a row that it is a truncation, which ends all versions; nil where none does.
        var truncation: Int?
    }
}

/// What is wrong with how a history says when its rows hold.
struct ValidityCheck {
    private(set) var problems: [(text: String, mend: Mend.Routing)] = []

    /// - Parameters:
    ///   - named: the columns that the user has named.
    ///   - columns: those that are loaded.
    init(
        _ route: Route, _ named: [Route.Column]?, _ columns: [(Route.Column, Table.Column)], of table: Table
    ) {
        let validity = route.validity
        guard validity.isAsked else { return }
        guard route.mode == .history else {
            report(
                "when rows hold has no effect: mode \(route.mode.rawValue) keeps no versions of them",
                .takeOut(.validity, .route))
            return
        }
        guard !validity.key.isEmpty, let from = validity.from, let to = validity.to else {
            report(
                "to say when rows hold takes what is the same in all versions of a row, and a column each for its beginning and its "
                    + "end", .completeValidity)
            return
        }
        for name in validity.loaded where !columns.contains(where: { $0.0.name == name }) {
            report("\(table.name).\(name) is to say when which row holds, and is not loaded", .fillVersion(name))
        }
        guard let end = table.column(named: to) else {
            report("\(table.name) has no column \(quoteIdentifier(to))", .addColumnOrLeaveOut)
            return
        }
        let place = "\(table.name).\(to)"
        if named?.contains(where: { $0.name == to }) == true {
            report("\(place) gets the beginning of the next version, and messages are to fill it as well", .leaveOut)
        }
        if end.isNotNull {
            report("\(place) is NOT NULL, and the last version of a row has no end", .dropNotNull)
        }
        guard let begin = table.column(named: from) else { return }
        if begin.type.withoutDomain != end.type.withoutDomain {
            report(
                "\(place), \(end.type.formatted), cannot have what \(from), \(begin.type.formatted), has",
                .completeValidity)
        } else if !begin.type.isOrdered {
            report(
                "\(table.name).\(from) is to say when a version begins, and \(begin.type.formatted) has no order",
                .completeValidity)
        }
    }

    private mutating func report(_ text: String, _ mend: Mend.Routing) { problems.append((text, mend)) }
}
