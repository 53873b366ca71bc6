import Postgres
import Records

/// A target's columns as the row builder walks them for each message: flat, in memory that does not move, so that a
/// column costs no copy, no retain and no check.
final class RowPlan {
    struct Column {
        /// Where the value comes from, as far as the hot path cares.
        enum Input {
            case field, keyField
            /// A field of the value or the key that the route mends.
            case mended
            /// Everything else, told by `MessagePlan.Input`.
            case other
        }

        var input: Input
        /// Null is refused: the column is required, or NOT NULL.
        var refusesNull: Bool
        var encoder: ColumnEncoder
        /// The same encoder where it is a binary one, for the hot path; `encoder` keeps it alive.
        var binary: BinaryEncoder.Unretained?
        /// The position among the decoder's paths.
        var field: Int
        /// The field is one of the key.
        var isOfKey: Bool
        var mending: ColumnMending?
        /// The column's bit in a set of those left out, and the word that it stands in; zero for one without a default.
        var omission: UInt64
        var omissionWord: Int
    }

    let target: Target
    let inputs: [MessagePlan.Input]
    let columns: UnsafeMutableBufferPointer<Column>
    /// Columns that a message leaves out if it has no field for them.
    let omissible: [Int]
    /// As of its target, which counts them anew each time.
    let omissionCount: Int
    /// The set of those that the message at hand leaves out. Belongs to the row builder's thread.
    let omitted: UnsafeMutableBufferPointer<UInt64>
    /// What stands for a value that was not sent, and the columns whose field may hold it; nil: each value was sent.
    let unavailable: UnavailableValue?
    let mayBeUnavailable: [Int]
    /// A message without any of the fields is a dead letter.
    let wantsField: Bool
    /// What tells the rows of one that holds elements from others; nil where it does not matter.
    let set: RowPlan?
    /// Its rows are elements of messages.
    let isOfElements: Bool

    /// - Parameter isOfTombstones: there are no fields then but the key's.
    init(_ target: Target, inputs: [MessagePlan.Input], isOfTombstones: Bool = false) {
        self.target = target
        set =
            isOfTombstones
            ? nil
            : target.asParent.map { RowPlan($0, inputs: Array(inputs[..<$0.keyCount]), isOfTombstones: true) }
        isOfElements = !isOfTombstones && target.route.elements != nil
        wantsField = !isOfTombstones && target.wantsField
        self.inputs = inputs
        let placeholder = isOfTombstones ? nil : target.route.envelope?.unavailable
        unavailable = placeholder.map { UnavailableValue($0) }
        mayBeUnavailable =
            placeholder == nil
            ? []
            : inputs.indices.filter { index in
                guard case .field = inputs[index] else { return false }
                switch target.columns[index].source {
                case .field, .before: return target.columns[index].type.hasAnyLength
                default: return false
                }
            }
        omissible = target.omissible
        omissionCount = target.omissionCount
        omitted = .allocate(capacity: max(1, (omissionCount + 63) / 64))
        omitted.initialize(repeating: 0)
        columns = .allocate(capacity: inputs.count)
        for (index, input) in inputs.enumerated() {
            let column = target.columns[index]
            let isMended = column.mending != nil
            let place: (input: Column.Input, field: Int, isOfKey: Bool) =
                switch input {
                case .field(let field): (isMended ? .mended : .field, field, false)
                case .keyField(let field): (isMended ? .mended : .keyField, field, true)
                case .keyFieldOrKey, .keyOr, .former, .source, .element: (.other, 0, false)
                }
            columns.initializeElement(
                at: index,
                to: Column(
                    input: place.input, refusesNull: column.refusesNull, encoder: column.encoder,
                    binary: column.encoder.unretained, field: place.field, isOfKey: place.isOfKey,
                    mending: column.mending, omission: column.omissionBit.map { 1 << UInt64($0 & 63) } ?? 0,
                    omissionWord: (column.omissionBit ?? 0) >> 6))
        }
    }

    /// Whether the message has any of the fields that the columns take.
    func hasAny(_ fields: UnsafeBufferPointer<Field>?, _ keyFields: UnsafeBufferPointer<Field>?) -> Bool {
        columns.contains { column in
            column.input != .other
                && ((column.isOfKey ? keyFields : fields).map { $0[column.field].kind != .absent } ?? false)
        }
    }

    /// The field that a column takes; an absent one where there are none.
    @inline(__always)
    func field(
        _ index: Int, _ fields: UnsafeBufferPointer<Field>?, _ keyFields: UnsafeBufferPointer<Field>?
    ) -> Field {
        (columns[index].isOfKey ? keyFields : fields).map { $0[columns[index].field] } ?? Field(.absent)
    }

    deinit {
        columns.deinitialize()
        columns.deallocate()
        omitted.deallocate()
    }
}
