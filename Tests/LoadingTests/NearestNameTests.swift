import Testing

@testable import Loading

@Suite struct NearestNameTests {
    @Test(
        "each insertion, deletion, change and swap is one step",
        arguments: [
            ("", "", 0), ("", "abc", 3), ("abc", "abc", 0), ("abc", "acb", 1), ("kitten", "sitting", 3), ("ab", "b", 1),
        ])
    func distance(first: String, second: String, expected: Int) {
        #expect(editDistance(Array(first.utf8), Array(second.utf8)) == expected)
        #expect(editDistance(Array(second.utf8), Array(first.utf8)) == expected)
    }

    @Test("a typing error finds its name, a stranger finds none")
    func nearestName() {
        let names = ["max_rows", "max_bytes", "max_delay"]
        #expect(nearest(to: "max_row", in: names) == "max_rows")
        #expect(nearest(to: "maxBytes", in: names) == "max_bytes")
        #expect(nearest(to: "compression", in: names) == nil)
        #expect(nearest(to: "x", in: []) == nil)
    }
}
