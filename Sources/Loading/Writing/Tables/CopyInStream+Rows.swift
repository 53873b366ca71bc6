import Postgres

extension CopyInStream {
    /// Sends rows that are made on the way, with what the format wants before and behind them.
    ///
    /// - Parameter append: appends the fields of one row, which has `fields` of them.
    func send(
        rows count: Int, fields: Int, _ format: Target.Format, _ append: (Int, inout CopyBuffer) -> Void
    ) throws(PostgresError) {
        var scratch = CopyBuffer(capacity: 160 << 10)
        if format == .binary { BinaryCopy.appendHeader(to: &scratch) }
        for row in 0..<count {
            scratch.beginRow(fields: fields, format)
            append(row, &scratch)
            scratch.endRow(format)
            if scratch.count > 128 << 10 {
                try send(scratch.bytes)
                scratch.removeAll()
            }
        }
        if format == .binary { BinaryCopy.appendTrailer(to: &scratch) }
        if scratch.count > 0 { try send(scratch.bytes) }
    }
}
