import Postgres

extension Mend {
    /// Messages and a route drift apart.
    public enum Drift: Sendable, Hashable {
        /// Fields that nobody takes.
        case take(Additions)
        /// A field that a column takes is gone.
        case vanished(Vanished)
        /// The values of a field are of another kind.
        case changed(Changed)
    }

    /// What loads fields that nobody takes.
    public struct Additions: Sendable, Hashable {
        /// A column of the table that takes a field.
        public struct Mapping: Sendable, Hashable {
            public var column: String
            /// As a route names it.
            public var field: String
            public var unit: EpochUnit?
        }

        public struct Column: Sendable, Hashable {
            public var name: String
            public var type: String
        }

        public var table: TableName
        /// The route's label.
        public var route: String
        public var columns: [Column] = []
        /// What the route has to say for it; none where the columns' names say it.
        public var mappings: [Mapping] = []
        /// A column that is there has the field's name, but for the way of writing it.
        public var isOtherSpelling = false
    }

    public struct Vanished: Sendable, Hashable {
        /// What the column gets now.
        public enum Consequence: Sendable, Hashable {
            case routesDefault, deadLetters, tablesDefault
            /// - overwrites: also over what is there.
            case null(overwrites: Bool)
        }

        public var table: TableName
        public var column: String
        public var consequence: Consequence
        /// The field that may have come in its place.
        public var successor: String?
        /// That one is the column's name, but for the way of writing it.
        public var isOtherSpelling: Bool
    }

    public struct Changed: Sendable, Hashable {
        public enum Evidence: Sendable, Hashable {
            /// The dead letters show whether the column refuses such values.
            case letters
            /// A sample shows it.
            case sample
        }

        public var table: TableName
        public var column: String
        public var evidence: Evidence
        /// A type that takes such values; nil where the column's own does.
        public var type: String?
        /// How the rows that are there get it; `$` stands for the column.
        public var conversion: String?
    }
}
