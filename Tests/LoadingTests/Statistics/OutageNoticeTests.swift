import Kafka
import Postgres
import Testing

@testable import Loading

@Suite("What is said of an outage")
struct OutageNoticeTests {
    @Test(
        "each is called what it is",
        arguments: [
            ("25006", "the database takes no writes", .readOnly), ("55P03", "another session holds a lock", .locked),
            ("57014", "the database has cancelled a statement", .cancelled),
            ("57P03", "the database is starting up", .starting),
            ("53300", "the database has no connection left", .noConnection),
            ("53100", "the database's disk is full", .diskFull),
            ("53200", "the database is short of a resource", .shortOfResource),
            ("57P01", "the database is away", .away), ("08006", "the database is away", .away),
        ] as [(String, String, Mend.Outage)])
    func names(state: String, beginning: String, outage: Mend.Outage) {
        let notice = OutageNotice(PostgresError(.server, sqlState: SQLState(rawValue: state), message: "m"))
        let incident = notice.incident("the batch is kept and tried again")
        #expect(incident.summary.hasPrefix(beginning))
        #expect(incident.code == state && incident.mend == .database(.outage(outage)))
    }

    @Test("silence is silence, and a connection that ends is not")
    func silence() {
        let silence = OutageNotice(PostgresError(.noAnswer, message: "nothing from the database for 130 s"))
        #expect(silence.what == "the database does not answer" && silence.code == "noAnswer")
        #expect(silence.error == "no answer: nothing from the database for 130 s")
        let end = OutageNotice(PostgresError(.connectionLost, message: "m"))
        #expect(end.what == "the database is away" && end.code == nil)
    }

    @Test("the topic of dead letters is named")
    func topic() {
        let notice = OutageNotice(
            deadLetterTopic: KafkaError(code: .messageTimedOut, operation: "produce"), "orders-dead", on: .kafka)
        #expect(notice.place == .deadLetterTopic && notice.code == "_MSG_TIMED_OUT")
        #expect(notice.mend == .database(.outage(.letterTopic("orders-dead", nil, .kafka))))
    }

    @Test(
        "a right to it that is lost is named, whichever right the brokers miss",
        arguments: [
            (.topicAuthorizationFailed, .topicRight), (.clusterAuthorizationFailed, .clusterRight),
        ] as [(KafkaErrorCode, BrokerRefusal)])
    func topicRight(code: KafkaErrorCode, refusal: BrokerRefusal) {
        let notice = OutageNotice(deadLetterTopic: KafkaError(code: code, operation: "produce"), "dead", on: .msk)
        #expect(
            notice.place == .deadLetterTopic && notice.what == "the dead-letter topic takes nothing: \(refusal.what)")
        #expect(notice.mend == .database(.outage(.letterTopic("dead", refusal, .msk))))
    }
}
