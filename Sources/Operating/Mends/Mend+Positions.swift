import Kafka
import Loading

extension Mend.Position {
    var words: String {
        switch self {
        case .takeOver(let topic, let isKnown):
            "give this loader a group of its own (kafka.group), or take the group over: "
                + "`\(Self.takeOver(topic, isKnown ? "--shift-by 0" : "--to-earliest"))`"
        case .restore(let partition, let offset):
            "restore loader.positions, give this loader a group of its own (kafka.group), or go on where the "
                + "group is: `\(Self.backfill(partition, "--to-offset \(offset)"))`"
        case .goOnBehind(let partition, let detour, let hasRest):
            (hasRest
                ? "load again what is left: `"
                    + Self.backfill(partition, "--to-earliest --until-offset \(detour.until)") + "`, or " : "")
                + "go on where the partition stood before: "
                + "`\(Self.backfill(partition, "--to-offset \(detour.resume)"))`"
        case .choose(let partition):
            "choose where to go on: `\(Self.backfill(partition, "--to-earliest"))` or `--to-latest`, "
                + "or set kafka.on_lost_offsets to earliest or latest"
        case .stay(let partition, let offset):
            "go on where it stands: `\(Self.backfill(partition, "--to-offset \(offset)"))`"
        case .loadBefore(let partition, let offset):
            "load what is before @\(offset): `"
                + Self.backfill(partition, "--to-earliest --until-offset \(offset)") + "`, which doubles "
                + "nothing of a new topic, and if it was replaced in the midst of traffic leaves out a batch of it at most; "
                + "or `--to-earliest --allow-duplicates`, which leaves nothing out and may double what is behind"
        case .loadBeforeReset(let partition, let offset):
            "load what is before them: "
                + "`\(Self.backfill(partition, "--to-earliest --until-offset \(offset)"))`; or accept the doubles with "
                + "--allow-duplicates"
        case .goOnAt(let partition, let offset, let mayDouble):
            "go on where it stands: `"
                + Self.backfill(partition, "--to-offset \(offset)" + (mayDouble ? " --allow-duplicates" : ""))
                + "`, which leaves nothing out" + (mayDouble ? " and may double what is behind" : "")
                + "; or `--to-latest`, which leaves out what it holds behind that"
        case .takeBack(let partition, let offset, let detour):
            "take the reset back: `\(Self.backfill(partition, Self.back(to: offset, detour)))`; "
                + "or use mode ignore or upsert with a key, or accept the doubles with --allow-duplicates"
        case .identify(let topics): Self.identify(topics)
        case .sayWhereToBegin: "set kafka.auto_offset_reset to earliest or latest"
        }
    }

    private static func identify(_ topics: [String]) -> String {
        let commands = topics.sorted().map { "`\(takeOver($0, "--shift-by 0"))`" }
        return "restore it from a backup; or, as its owner: INSERT INTO loader.ledger (schema_version) VALUES (1);"
            + (commands.isEmpty ? "" : " and take the group over: \(commands.joined(separator: ", "))")
    }

    /// The command by which a group's offsets get this ledger's mark, without or with moving.
    private static func takeOver(_ topic: String, _ destination: String) -> String {
        "loader backfill --topic \(topic) \(destination)"
    }

    /// The command that moves this partition and no other.
    static func backfill(_ partition: TopicPartition, _ destination: String) -> String {
        "loader backfill --topic \(partition.topic) --partitions \(partition.partition) \(destination)"
    }

    /// Where a partition stood, for `backfill`.
    static func back(to position: Int64, _ detour: Detour?) -> String {
        "--to-offset \(position)" + (detour.map { " --until-offset \($0.until)" } ?? "")
    }
}
