import Foundation

/// What came of comparing tables with their topics.
public struct VerificationReport: Encodable, Sendable, Equatable {
    /// How a table was compared.
    public enum Way: String, Encodable, Sendable {
        /// Each key's row with what the key's messages come to.
        case keys
        /// Each message's row, by the columns that say which message it is of.
        case places
        /// Only how many rows there are: nothing tells which message a row is of.
        case counts
        /// Not at all; a note says why.
        case none
    }

    public enum Kind: String, Encodable, Sendable {
        /// The topic has it, and the table does not.
        case missing
        /// The table has it, and the topic does not, or has it deleted.
        case extra
        /// Some columns have another value.
        case other
        /// The row of one message is there more than once.
        case doubled
        /// There are more or fewer rows than there should be.
        case count
    }

    public struct Difference: Encodable, Sendable, Equatable {
        public struct Column: Encodable, Sendable, Equatable {
            public var name: String
            /// Left out unless values are asked for; null is NULL.
            public var expected: String??
            public var found: String??

            enum CodingKeys: String, CodingKey { case name, expected, found }

            public func encode(to encoder: any Encoder) throws {
                var container = encoder.container(keyedBy: CodingKeys.self)
                try container.encode(name, forKey: .name)
                if let expected { try container.encode(expected, forKey: .expected) }
                if let found { try container.encode(found, forKey: .found) }
            }
        }

        public struct KeyPart: Encodable, Sendable, Equatable {
            public var name: String
            public var value: String?
        }

        public var kind: Kind
        /// What tells the row from others.
        public var key: [KeyPart] = []
        /// Those that differ.
        public var columns: [Column] = []
        /// The message that decided what the row should be, `orders[0]@17`; nil where none did.
        public var message: String?
        /// That message deleted the row.
        public var isDeleted = false
        /// Of `count`, and of what is there more than once.
        public var expected: Int?
        public var found: Int?
    }

    /// What could not be proven, and how much of it there is.
    public struct Note: Encodable, Sendable, Equatable {
        public enum Code: String, Encodable, Sendable, CaseIterable {
            case notInTopic = "not_in_topic"
            case severalPartitions = "several_partitions"
            case replayedMeanwhile = "replayed_meanwhile"
            case lettersGone = "letters_gone"
            case notCompared = "not_compared"
            case partlyCompared = "partly_compared"
            case otherRoutes = "other_routes"
            case triggers
            case extraNotLookedFor = "extra_not_looked_for"
            case notVerified = "not_verified"
            case nothingLoaded = "nothing_loaded"
            case moreDifferences = "more_differences"
        }

        public var code: Code
        public var words: String
        public var count: Int?
    }

    public struct Partition: Encodable, Sendable, Equatable {
        public var topic: String
        public var partition: Int32
        /// The first offset that was read.
        public var from: Int64
        /// The offset before which it ended.
        public var to: Int64
        /// The first offset that the partition holds.
        public var low: Int64
    }

    public struct Table: Encodable, Sendable, Equatable {
        public var route: String
        public var table: String
        public var mode: String
        public var way: Way
        /// Rows that the table should have, of those that were looked at.
        public var rows = 0
        /// Messages that are dead letters instead.
        public var deadLetters = 0
        public var differenceCount = 0
        /// The first of them.
        public var differences: [Difference] = []
        public var notes: [Note] = []

        mutating func note(_ code: Note.Code, _ words: String, count: Int? = nil) {
            notes.append(Note(code: code, words: words, count: count))
        }
    }

    public var group: String
    /// Messages that were read.
    public var messages = 0
    /// 0…1; 1 for all.
    public var share = 1.0
    public var partitions: [Partition] = []
    public var tables: [Table] = []
    /// In seconds.
    public var duration = 0.0
    /// For how many of these the snapshot of the database was held.
    public var snapshotDuration = 0.0

    public var differenceCount: Int { tables.reduce(0) { $0 + $1.differenceCount } }
    /// Whether no difference was found.
    public var holds: Bool { differenceCount == 0 }

    /// One JSON document.
    public var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            encoder.keyEncodingStrategy = .convertToSnakeCase
            return String(decoding: try encoder.encode(Document(report: self)), as: UTF8.self)
        }
    }

    private struct Document: Encodable {
        var report: VerificationReport

        enum CodingKeys: String, CodingKey { case holds, differenceCount }

        func encode(to encoder: any Encoder) throws {
            try report.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(report.holds, forKey: .holds)
            try container.encode(report.differenceCount, forKey: .differenceCount)
        }
    }
}
