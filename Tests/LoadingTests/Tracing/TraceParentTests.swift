import Testing

@testable import Loading

@Suite("traceparent")
struct TraceParentTests {
    private let example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    @Test("the specification's example is read, and written again as it was")
    func readsExample() throws {
        let parent = try #require(TraceParent(example))
        #expect(parent.traceID == "4bf92f3577b34da6a3ce929d0e0e4736")
        #expect(parent.spanID == "00f067aa0ba902b7")
        #expect(parent.isSampled)
        #expect(parent.description == example)
    }

    @Test(
        "only the lowest of the flags says whether it is sampled",
        arguments: [("00", false), ("02", false), ("03", true)])
    func flags(flags: String, isSampled: Bool) throws {
        #expect(try #require(TraceParent(example.dropLast(2) + flags)).isSampled == isSampled)
    }

    @Test("a later version is read as far as it is known")
    func laterVersion() {
        let text = "cc" + example.dropFirst(2)
        #expect(TraceParent(text)?.spanID == "00f067aa0ba902b7")
        #expect(TraceParent(text + "-what the future brings") != nil)
        #expect(TraceParent(text + ".what the future brings") == nil)
    }

    @Test(
        "what the specification calls invalid is no trace",
        arguments: [
            "", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
        ])
    func invalid(text: String) { #expect(TraceParent(text) == nil) }
}
