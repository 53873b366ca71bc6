import Kafka
import Loading

/// Finds out whether this user may use the loader's group, which brokers would say only once it is joined, and so behind all other mistakes.
enum GroupRight {
    /// Asks for what the group has committed.
    ///
    /// - Returns: what is missing; a warning where a loader waits. Whatever else is wrong is met by others.
    static func problem(_ options: LoadingOptions, _ admin: Admin, topic: String?, timeout: Duration) -> SetupProblem? {
        do throws(KafkaError) {
            // Whichever partition: it is the group that is asked for.
            let place = TopicPartition(topic: topic ?? "-", partition: 0)
            _ = try admin.committedOffsets(ofGroup: options.group, partitions: [place], timeout: timeout)
            return nil
        } catch {
            guard error.code == .groupAuthorizationFailed else { return nil }
            return SetupProblem(
                .group, at: "kafka.group", "the brokers do not let this user use the group \(options.group)",
                mend: .said(mend(options)), isWarning: options.waitsAtStart)
        }
    }

    static func mend(_ options: LoadingOptions) -> String {
        "give this user READ on it: " + AccessLine(options).words(["Read"], on: .group(options.group))
    }
}
