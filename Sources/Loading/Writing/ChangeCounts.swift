/// How many events of each kind a change of a row stands for.
struct ChangeCounts: Equatable {
    var rows = 0
    var deletions = 0
    var marks = 0

    static func += (left: inout ChangeCounts, right: ChangeCounts) {
        left.rows += right.rows
        left.deletions += right.deletions
        left.marks += right.marks
    }
}

/// For what is left of a batch's events, of each key, which events it stands for, and which of them change nothing whatever the
/// table has.
struct ChangesCounted {
    /// By `number(of:)`, of those that stand for several.
    private var several: [Int64: ChangeCounts] = [:]
    /// Events that another one of the batch is as new as.
    var stale = ChangeCounts()

    private static func number(of row: RowReference) -> Int64 { Int64(row.section) << 32 | Int64(row.row) }

    mutating func set(_ counts: ChangeCounts, of row: RowReference) { several[Self.number(of: row)] = counts }

    /// Whether each of the rows stands for itself alone.
    func areSingle(_ rows: [RowReference]) -> Bool {
        several.isEmpty || rows.allSatisfy { several[Self.number(of: $0)] == nil }
    }

    /// - Parameter sections: what holds the row.
    func counts(of row: RowReference, _ sections: [Batch.Section]) -> ChangeCounts {
        several[Self.number(of: row)] ?? ChangeCounts(row, sections)
    }
}

extension ChangeCounts {
    /// One event.
    init(_ row: RowReference, _ sections: [Batch.Section]) {
        let section = sections[Int(row.section)]
        if section.kind == .tombstones {
            deletions = 1
        } else if section.rows[Int(row.row)].isMark {
            marks = 1
        } else {
            rows = 1
        }
    }
}

extension OperationCounts {
    /// Counts events as such that have changed nothing.
    mutating func move(toNotNewer counts: ChangeCounts, target: Int) {
        add(.row, target: target, -counts.rows)
        add(.deletion, target: target, -counts.deletions)
        add(.mark, target: target, -counts.marks)
        add(.notNewer, target: target, counts.rows + counts.deletions + counts.marks)
    }
}
