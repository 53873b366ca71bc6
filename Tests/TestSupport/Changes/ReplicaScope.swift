/// What of a connector's modes and types is replicated as it is, without a word of the route's.
public enum ReplicaScope {
    public static let types = SourceType.all.filter { $0 != .point && $0 != .hstore }

    public static func modes(_ run: Int, _ generator: inout SeededGenerator) -> ChangeModes {
        var modes = ChangeModes(run: run, using: &generator)
        if modes.encoding == .json { modes.encoding = .connect }
        modes.isIdentityFull = true
        return modes
    }
}
