import Testing

@testable import Operating

@Suite("What a survey says of the group")
struct TopicSurveyTests {
    @Test(
        "a member is told that a group would refuse it only where it would",
        arguments: [
            ("range", [:], true), ("roundrobin", [:], true), ("cooperative-sticky", [:], false),
            ("cooperative-sticky", ["partition.assignment.strategy": "range, cooperative-sticky"], true),
            ("range", ["partition.assignment.strategy": "cooperative-sticky"], false),
            // The brokers share out: members of either protocol.
            ("uniform", [:], true), ("uniform", ["partition.assignment.strategy": "cooperative-sticky"], true),
            ("range", ["group.protocol": "consumer"], true), ("uniform", ["group.protocol": "consumer"], true),
        ] as [(String, [String: String], Bool)])
    func assignors(assignor: String, properties: [String: String], isIn: Bool) {
        #expect(TopicSurvey.takesPart(in: assignor, properties) == isIn)
    }
}
