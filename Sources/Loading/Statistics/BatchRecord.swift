import Foundation

/// One committed batch: what was in it, and how long each phase took, in seconds.
public struct BatchRecord: Sendable, Equatable {
    /// When its outcome was taken.
    public var time: Date
    public var writer: Int
    public var partitions: Int
    public var messages: Int
    public var rows: Int
    /// Keys, values and headers, as they came from Kafka.
    public var bytes: Int
    public var deadLetters: Int
    /// From the batch's first message until the writer took it.
    public var wait: Double
    /// What the consumer's thread spent with taking and decoding its messages.
    public var decode: Double
    /// From BEGIN until COMMIT was sent; nil where the connection died during COMMIT and the ledger told the outcome.
    public var copy: Double?
    /// COMMIT; nil like `copy`.
    public var commit: Double?

    public init(
        time: Date = Date(), writer: Int = 0, partitions: Int = 1, messages: Int, rows: Int, bytes: Int = 0,
        deadLetters: Int = 0, wait: Double = 0, decode: Double = 0, copy: Double? = nil, commit: Double? = nil
    ) {
        self.time = time
        self.writer = writer
        self.partitions = partitions
        self.messages = messages
        self.rows = rows
        self.bytes = bytes
        self.deadLetters = deadLetters
        self.wait = wait
        self.decode = decode
        self.copy = copy
        self.commit = commit
    }
}
