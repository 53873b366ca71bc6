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

    @Test("a column without a value is led to the field that was meant")
    func likely() {
        let paths: Set<String> = ["customer", "customer.id", "shipping.country", "totl", "orderId"]
        #expect(likelySource(of: "customer_id", among: paths) == "customer.id")
        #expect(likelySource(of: "country", among: paths) == "shipping.country")
        #expect(likelySource(of: "total", among: paths) == "totl")
        #expect(likelySource(of: "order_id", among: paths) == "orderId")
        #expect(likelySource(of: "kafka_offset", among: paths) == "$offset")
        #expect(likelySource(of: "entirely_else", among: paths) == nil)
        #expect(likelySource(of: "note", among: ["rate", "n"]) == nil)
        #expect(likelySource(of: "a", among: ["b"]) == nil)
    }
}
