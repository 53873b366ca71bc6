/// What of a connector's modes and types is replicated as it is, without a word of the route's.
public enum ReplicaScope {
    public static let types = SourceType.all

    public static func modes(_ run: Int, _ generator: inout SeededGenerator) -> ChangeModes {
        ChangeModes(run: run, using: &generator)
    }
}
