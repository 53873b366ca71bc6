/// When a batch is full. Whichever limit comes first hands it over.
public struct BatchPolicy: Sendable, Equatable {
    /// Rows and dead letters in one batch; default 50000.
    public var maxRows: Int
    /// Bytes a batch holds in memory, messages and encoded rows together; default 32 MiB.
    public var maxBytes: Int
    /// Time since the batch's first message; default 1 s.
    public var maxDelay: Duration

    public init(maxRows: Int = 50_000, maxBytes: Int = 32 << 20, maxDelay: Duration = .seconds(1)) {
        self.maxRows = maxRows
        self.maxBytes = maxBytes
        self.maxDelay = maxDelay
    }

    public func isFull(rows: Int, bytes: Int) -> Bool { rows >= maxRows || bytes >= maxBytes }
}
