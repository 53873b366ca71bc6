import Testing

@testable import Loading

@Suite("Topic pattern")
struct TopicPatternTests {
    @Test("a name matches itself alone, dots are no wildcards")
    func name() {
        let pattern = Route.TopicPattern.name("orders.eu")
        #expect(pattern.matches("orders.eu"))
        #expect(!pattern.matches("orders-eu"))
        #expect(!pattern.matches("orders.eu.v2"))
        #expect(pattern.isValid)
        #expect(pattern.subscription == "orders.eu")
    }

    @Test("an expression is a POSIX extended one, as librdkafka's subscription reads it")
    func expression() {
        let pattern = Route.TopicPattern.expression("^orders-(eu|us)-[0-9]{2}$")
        #expect(pattern.matches("orders-eu-01"))
        #expect(!pattern.matches("orders-eu-1"))
        #expect(!pattern.matches("orders-asia-01"))
        #expect(!pattern.matches("my-orders-eu-01"))
        #expect(Route.TopicPattern.expression("^orders").matches("orders-and-more"))
    }

    @Test(
        "an expression that cannot be compiled matches nothing and says so", arguments: ["^orders(", "^[", "^a{2,1}"])
    func invalid(_ expression: String) {
        #expect(!Route.TopicPattern.expression(expression).isValid)
        #expect(!Route.TopicPattern.expression(expression).matches("orders("))
    }
}
