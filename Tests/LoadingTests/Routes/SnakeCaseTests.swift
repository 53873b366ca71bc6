import Testing

@testable import Loading

@Suite("Snake case")
struct SnakeCaseTests {
    @Test(
        "names become words in lower case",
        arguments: [
            ("orderId", "order_id"), ("OrderID", "order_id"), ("HTTPCode", "http_code"), ("order-id", "order_id"),
            ("order id", "order_id"), ("a.b", "a_b"), ("already_snake", "already_snake"), ("__x__", "x"), ("v2", "v2"),
            ("größeInCm", "größe_in_cm"), ("a1B", "a1_b"), ("$", ""), ("", ""),
        ])
    func names(name: String, expected: String) {
        #expect(snakeCased(name) == expected)
    }
}
