import Kafka
import Loading
import Postgres

extension Mend.Letters {
    var words: String {
        switch self {
        case .look(let inTable): Self.look(inTable)
        case .dead(let kind, let form, true): "\(Self.look(true)); \(DeadLetterMend.text(kind, form))"
        case .dead(_, _, false): Self.look(false)
        case .tooMany:
            "mend the route (`loader check` shows how fields land in columns), or raise dead_letters.max_share; nothing of "
                + "this batch was committed"
        case .table(let table):
            "see its columns, rights, constraints, triggers and partitions (in psql: \\d+ \(table)), mend them and "
                + "start again; nothing was lost or skipped"
        case .topic(let topic, let code): Self.topic(topic, code)
        case .shortened(let topic):
            "raise its max.message.bytes (kafka-configs.sh --alter --entity-type topics --entity-name "
                + "\(topic) --add-config max.message.bytes=104857600), or set dead_letters.table as well, which "
                + "keeps them whole"
        case .nulled:
            "nothing, if on_error: null is meant for so many; else `loader check` shows what the messages have"
        case .wait:
            "nothing to do; see dead_letters.wait_for_parent, and `loader dead-letters list --reason "
                + "\(DeadLetter.Reason.waiting.rawValue)`"
        case .topicFull: "nothing to do, if what they refer to is on its way; see dead_letters.wait_for_parent"
        case .givenUp:
            "load what they refer to, then `loader dead-letters replay --sqlstate \(SQLState.foreignKeyViolation)`"
        case .untried: "nothing to do, unless it goes on: then mend what it names"
        case .changing: "run it again when that is over"
        }
    }

    private static func look(_ inTable: Bool) -> String {
        inTable ? "look with `loader dead-letters list`" : "look into the topic of dead_letters.topic"
    }

    private static func topic(_ topic: String, _ code: KafkaErrorCode) -> String {
        switch code {
        case .messageTooLarge, .invalidTimestamp, .invalidRecord, .recordListTooLarge:
            "it is refused even without its key, value and headers: see what the topic asks of messages "
                + "(kafka-configs.sh --describe --entity-type topics --entity-name \(topic)), or set "
                + "dead_letters.topic to null; nothing was committed"
        default: (code.mend ?? "mend that") + ", or set dead_letters.topic to null; nothing was committed"
        }
    }
}
