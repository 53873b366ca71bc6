/// Something that is not loaded for a reason of its own, while brokers and database are there. It holds no message's
/// values.
public struct Standstill: Sendable, Hashable {
    public enum Reason: String, Sendable, Hashable, CaseIterable {
        /// What the brokers send of a partition cannot be read: a wrong checksum, an unknown codec, a size.
        case unreadable
        /// The brokers refuse it: for want of a right, mostly.
        case refused
        /// The topic, or the partition, is not there.
        case missing
        /// The group does not take this member in, or not what it commits.
        case group
    }

    public var reason: Reason
    /// Kafka's, or librdkafka's, name of its error.
    public var code: String
    /// `topic`, `topic[partition]@offset`, or the group's name.
    public var place: String

    /// The place without an offset: it stays the same while it stands still.
    public var subject: String { String(place.prefix { $0 != "@" }) }

    public init(_ reason: Reason, code: String, at place: String) {
        self.reason = reason
        self.code = code
        self.place = place
    }
}
