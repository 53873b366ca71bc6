import Postgres

/// In what the columns of a stage stand before each row goes in by itself: what takes any value that is sent, where that may
/// be refused on the way to what the column is. So a bad value is its row's refusal like any other, and not that of the COPY
/// which brings the rows beside it as well.
struct StagedColumns {
    /// By column: its type in the stage, and the one that COPY alone would have met.
    private var types: [Int: (staged: String, own: String)] = [:]

    init(_ target: Target) {
        for (index, column) in target.columns.enumerated() {
            let base = column.type.withoutDomain
            // An append alone goes straight into the table.
            let own = target.mode == .insert ? column.type : column.stageType
            let staged = target.format == .text && base.isReadByCast ? "varchar" : base.formatted
            if staged != own.formatted { types[index] = (staged, own.formatted) }
        }
    }

    /// The type in the stage; nil for one that is as in every stage.
    subscript(_ column: Int) -> String? { types[column]?.staged }

    /// What a row's value becomes, where a value may be refused.
    func value(_ column: Int, of target: Target) -> String? {
        types[column].map { "s.\(target.quoted(column))::\($0.own)" }
    }
}

extension PostgresType {
    /// Whether a cast from `varchar` does what the type's input function does with a text.
    ///
    /// An explicit cast cuts a text or bits to the type's length, where the input function refuses them; so not with a length,
    /// for nobody knows of an extension's type what its cast does. The others have casts of their own that read something else:
    /// `"char"`, `name` and `regclass`.
    fileprivate var isReadByCast: Bool {
        isReadByServer && modifier == -1 && ![18, 19, 2205].contains(oid)
    }
}
