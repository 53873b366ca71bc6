import Testing

@testable import Kafka

@Suite("What is told of brokers that are away")
struct BrokerOutageNewsTests {
    private let gone = KafkaError(
        code: .transport, operation: "connection",
        reason: "sasl_ssl://127.0.0.1:9092/1: Disconnected (after 4730ms in state UP)")
    private let password = KafkaError(
        code: .authentication, operation: "connection",
        reason: "SASL authentication error: Authentication failed: Invalid username or password")
    private let certificate = KafkaError(
        code: .init(rawValue: -181), operation: "connection",
        reason: "SSL handshake failed: SSL alert number 45: certificate expired")

    @Test("why nobody is let in is told once it is known, though it is known after the outage, and each reason once")
    func reasonsLater() {
        var outage = BrokerOutage()
        outage.hear(gone)
        #expect(outage.news(isAway: false) == nil)
        #expect(outage.news(isAway: true) == .lost(gone))
        #expect(outage.news(isAway: true) == nil)
        outage.hear(password)
        #expect(outage.news(isAway: true) == .lost(password))
        for _ in 0..<3 {
            outage.hear(gone)
            #expect(outage.news(isAway: true) == nil, "that says less")
            outage.hear(KafkaError(code: .allBrokersDown, operation: "connection"))
            outage.hear(password)
            #expect(outage.news(isAway: true) == nil, "it has been told")
        }
        outage.hear(certificate)
        #expect(outage.news(isAway: true) == .lost(certificate))
        #expect(outage.news(isAway: false) == .back)
        #expect(outage.news(isAway: false) == nil)
    }

    @Test("what librdkafka has only logged counts where nothing that it told says why")
    func logged() {
        let closed = KafkaError(
            code: .transport, operation: "connection", reason: "broker might require SASL authentication")
        var outage = BrokerOutage()
        outage.hear(gone)
        #expect(outage.news(isAway: true) == .lost(gone))
        #expect(outage.news(isAway: true, logged: closed) == nil, "whoever goes closes a connection as well")
        let known = outage.news(isAway: true, logged: closed, proven: .wantsSASL)
        guard case .lost(let error) = known else {
            Issue.record("\(String(describing: known))")
            return
        }
        #expect(error.reason == closed.reason && error.refusal == .wantsSASL)
        #expect(outage.news(isAway: true, logged: closed, proven: .wantsSASL) == nil)
        outage.hear(password)
        #expect(outage.news(isAway: true, logged: closed, proven: .wantsSASL) == .lost(password))
    }

    @Test("what words leave in doubt is refused by nobody until it is proven", arguments: BrokerRefusal.allCases)
    func inDoubt(refusal: BrokerRefusal) throws {
        let line = BrokerRefusalTests.lines.first { _, _, said in said == refusal }
        guard let (code, reason, _) = line else { return }
        var outage = BrokerOutage()
        outage.hear(KafkaError(code: code, operation: "connection", reason: reason))
        #expect(outage.reason(logged: nil).refusal == (refusal.isInDoubt ? nil : refusal))
        #expect(outage.reason(logged: nil, proven: .speaksNoSASL).refusal == (refusal.isInDoubt ? nil : refusal))
        #expect(outage.reason(logged: nil, proven: refusal).refusal == refusal)
    }

    @Test("an outage has nothing of the one before: what was refused then may have been mended since")
    func anew() {
        var outage = BrokerOutage()
        outage.hear(password)
        #expect(outage.news(isAway: true) == .lost(password))
        #expect(outage.news(isAway: false) == .back)
        let down = KafkaError(code: .allBrokersDown, operation: "connection")
        outage.hear(down)
        #expect(outage.news(isAway: true) == .lost(down))
        outage.hear(password)
        #expect(outage.news(isAway: true) == .lost(password), "and it is said again")
    }
}
