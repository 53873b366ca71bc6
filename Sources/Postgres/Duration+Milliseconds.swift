extension Duration {
    /// What is less than a millisecond is left out.
    package var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }

    /// At least 1, as PostgreSQL's settings want them, where 0 would mean "for ever".
    package var inMilliseconds: Int64 { max(1, wholeMilliseconds) }
}
