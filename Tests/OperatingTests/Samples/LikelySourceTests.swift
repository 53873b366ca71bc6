import Testing

@testable import Operating

@Suite("The field that a column waits for")
struct LikelySourceTests {
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
