import Postgres
import Records

/// A target's columns as the row builder walks them for each message: flat, in memory that does not move, so that a
/// column costs no copy, no retain and no check.
final class RowPlan {
    struct Column {
        /// Where the value comes from, as far as the hot path cares.
        enum Input {
            case field, keyField
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
        /// Zero for a column without a default.
        var omission: Omission
    }

    let target: Target
    let inputs: [MessagePlan.Input]
    let columns: UnsafeMutableBufferPointer<Column>
    /// Columns that a message may leave to their default.
    let omissible: [Int]

    init(_ target: Target, inputs: [MessagePlan.Input]) {
        self.target = target
        self.inputs = inputs
        omissible = target.omissible
        columns = .allocate(capacity: inputs.count)
        for (index, input) in inputs.enumerated() {
            let column = target.columns[index]
            let place: (Column.Input, Int) =
                switch input {
                case .field(let field): (.field, field)
                case .keyField(let field): (.keyField, field)
                case .keyFieldOrKey, .source: (.other, 0)
                }
            columns.initializeElement(
                at: index,
                to: Column(
                    input: place.0, refusesNull: column.isRequired || column.isNotNull, encoder: column.encoder,
                    binary: column.encoder.unretained,
                    field: place.1, omission: column.omissionBit.map { 1 << Omission($0) } ?? 0))
        }
    }

    deinit {
        columns.deinitialize()
        columns.deallocate()
    }
}
