import Postgres

extension Mend {
    /// A route and its table do not go together.
    public enum Routing: Sendable, Hashable {
        /// - topic: one that the route takes, where it names any.
        case makeTable(topic: String?, TableName)
        case otherRelation
        case nameKey
        case nameOtherKey
        case makeIndex(TableName, [String])
        /// Rows could not be found by these columns alone.
        case makePlainIndex(TableName, [String])
        /// The types of the key are such as the loader cannot compare.
        case plainKeyType
        /// Sets of rows have no version.
        case keepMissing
        /// Tombstones say no row of such elements.
        case skipTombstones
        /// Messages that a condition does not let through say no row of such elements.
        case keepFiltered
        /// A column is routed more than once.
        case keepOne
        /// The column is not to be routed.
        case leaveOut
        /// A name could be any of these columns'.
        case spellOut([String])
        case didYouMean(String)
        case addColumnOrLeaveOut
        case addColumns
        case nameZone
        /// A column of the key is filled by nothing.
        case fillKey(String)
        /// Deleted rows are to be marked, and the column for it is missing or none that can.
        case nameMark
        /// A column that must be able to be NULL is not.
        case dropNotNull
        /// What says which message is newer is to be something that a message without a value has.
        case versionOfTombstones
        /// When rows hold is said by halves, or by columns that do not go together.
        case completeValidity
        /// A history is to know which message a row is of.
        case nameCoordinates([String])
        /// A column that is to say which message is newer cannot.
        case otherVersion
        /// It is filled by nothing.
        case fillVersion(String)
        /// A column that must not be NULL is filled by nothing.
        case fillColumn
        /// Tombstones cannot delete here.
        case tombstones
        /// - isOfDelete: DELETE is among them, for these deletions, which a route can do without.
        case grant([String], isOfDelete: Deletions?)
        /// A default or a constant that its column cannot hold.
        case fixedValue(EncodingFailure.Reason)
        /// An option that does nothing where it stands.
        case takeOut(Option, Place)
        /// The column cannot say NULL, whatever the option.
        case takeOutOrDropNotNull(Option)
        /// A unit that the type does not take.
        case otherUnit(isAnyTaken: Bool)
        /// A sentinel that nothing is left to be equal to.
        case withoutOuterSpace
        /// What the source says does not go into the type.
        case otherType(isMoment: Bool)
        /// A column takes a field of what has none.
        case takeWhole(Whole)
        /// A column takes, or a condition asks for, what only a change event has.
        case nameEnvelope
        /// A condition asks for a field of what has none.
        case askForWhole
        /// The source of this table was emptied, and nobody has said what that means for it.
        ///
        /// - isHistory: its rows are all that ever was, so that it is not to be emptied as well.
        case truncation(TableName, isHistory: Bool)
        /// A history cannot have a row for a truncation.
        ///
        /// - isByColumn: because a column wants a value.
        case passTruncations(isByColumn: Bool)
        /// A column is to say what was done.
        case nameOperation
        /// When versions begin is to be something that a truncation has.
        case timeOfTruncations
        /// A column takes what only an element of a message has.
        case nameElements
        /// Messages of this format have no elements.
        case noElements
        /// Such messages can only be many records.
        case manyRecords
        /// A column looks further out than elements are held.
        case fewerParents
        /// Elements have no names, only places.
        case takeIndex
        /// - isConstant: each column of the key is a constant, and not just has a default.
        case freeKey(isConstant: Bool)
    }

    /// What a route can ask for, of a column or of all of them.
    public enum Option: Sendable, Hashable {
        case trims, nullIf, fallback, onError, unit, zone, onNul, decoding, onNoFields, names, onBadElement,
            maxElements, onMissing, absent, newer, mark, key, onFiltered, validity, temporal, decimals, binary
    }

    /// What deletes rows.
    public enum Deletions: Sendable, Hashable {
        case tombstones
        /// Messages that a condition does not let through, and perhaps tombstones as well.
        case filtered
    }

    /// What a column can take all of.
    public enum Whole: Sendable { case value, key }

    public enum Place: Sendable, Hashable { case column, route }
}
