import Postgres

/// Where the rows of a target lie, and how they go into COPY.
package struct RowSource {
    let target: Target
    let sections: [Batch.Section]
    private let omissions: Omissions?

    package init(_ target: Target, _ sections: [Batch.Section], _ omissions: Omissions?) {
        self.target = target
        self.sections = sections
        self.omissions = omissions
    }

    /// - Parameter numbers: for each row what is sent behind its columns.
    package func send(
        _ group: RowGroup, numbers: [Int32]? = nil, to stream: borrowing CopyInStream
    ) throws(PostgresError) {
        var scratch = CopyBuffer(capacity: 160 << 10)
        if target.format == .binary { BinaryCopy.appendHeader(to: &scratch) }
        if group.mixed.isEmpty, group.filled.isEmpty, numbers == nil {
            try sendWhole(group.rows, &scratch, to: stream)
        } else {
            try sendFilledUp(group, numbers, &scratch, to: stream)
        }
        try Failpoint.midCopy.pass(stream, sending: &scratch)
        if target.format == .binary { BinaryCopy.appendTrailer(to: &scratch) }
        if scratch.count > 0 { try stream.send(scratch.bytes) }
    }

    private func row(_ reference: RowReference) -> Batch.Row {
        sections[Int(reference.section)].rows[Int(reference.row)]
    }

    /// Sends rows as they lie in their section's buffer: neighbours in one piece.
    private func sendWhole(
        _ rows: [RowReference], _ scratch: inout CopyBuffer, to stream: borrowing CopyInStream
    ) throws(PostgresError) {
        var position = 0
        while position < rows.count {
            let section = rows[position].section
            let start = row(rows[position]).start
            var end = row(rows[position]).end
            position += 1
            while position < rows.count, rows[position].section == section, row(rows[position]).start == end {
                end = row(rows[position]).end
                position += 1
            }
            let piece = UnsafeRawBufferPointer(rebasing: sections[Int(section)].buffer.bytes[start..<end])
            if piece.count > 64 << 10 {
                try stream.send(scratch.bytes)
                scratch.removeAll()
                try stream.send(piece)
            } else {
                scratch.append(piece)
                try flush(&scratch, to: stream)
            }
        }
    }

    /// Sends rows with all of the group's columns, defaults or nulls in place of those that a row leaves out, and behind them
    /// which nulls are a row's own.
    private func sendFilledUp(
        _ group: RowGroup, _ numbers: [Int32]?, _ scratch: inout CopyBuffer, to stream: borrowing CopyInStream
    ) throws(PostgresError) {
        guard let omissions else { return }
        let format = target.format
        let words = target.nullWords(of: group)
        var nulls = [UInt64](repeating: 0, count: omissions.wordCount)
        var constants = CopyBuffer(capacity: 1024)
        let columns = group.columns.map { index in
            let start = constants.count
            let constant = group.filled.contains(index) ? target.columns[index].defaultField : nil
            constant?.withUnsafeBytes { constants.append($0) }
            return (
                bit: target.columns[index].omissionBit, isNullable: group.nullable.contains(index),
                constant: constant.map { _ in start..<constants.count }
            )
        }
        for (place, reference) in group.rows.enumerated() {
            let entry = row(reference)
            var fields = RowFields(entry, of: sections[Int(reference.section)], format)
            for word in words { nulls[word] = 0 }
            scratch.beginRow(fields: columns.count + words.count + (numbers == nil ? 0 : 1), format)
            var isFirst = true
            for column in columns {
                if let bit = column.bit, omissions.contains(entry.omission, bit) {
                    let constant = column.constant.map { UnsafeRawBufferPointer(rebasing: constants.bytes[$0]) }
                    scratch.append(field: constant, isFirst: isFirst, format)
                } else {
                    let field = fields.next()
                    scratch.append(field: field, isFirst: isFirst, format)
                    if column.isNullable, let bit = column.bit, RowFields.value(of: field, format) == nil {
                        nulls[bit >> 6] |= 1 << UInt64(bit & 63)
                    }
                }
                isFirst = false
            }
            for word in words { scratch.append(integer: Int64(bitPattern: nulls[word]), format) }
            if let numbers { scratch.append(integer: numbers[place], format) }
            scratch.endRow(format)
            try flush(&scratch, to: stream)
        }
    }

    private func flush(_ scratch: inout CopyBuffer, to stream: borrowing CopyInStream) throws(PostgresError) {
        guard scratch.count > 128 << 10 else { return }
        try stream.send(scratch.bytes)
        scratch.removeAll()
    }
}
