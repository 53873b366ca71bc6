import Testing

@testable import Loading

@Suite("Failpoints")
struct FailpointTests {
    @Test("a failpoint is named with what it does and the passing at which it does it")
    func settings() throws {
        #expect(try Failpoint.parse("") == [])
        #expect(
            try Failpoint.parse("mid-copy=crash@3,dead-letter=error") == [
                .init(point: .midCopy, action: .crash, passing: 3),
                .init(point: .deadLetter, action: .error, passing: 1),
            ])
    }

    @Test("an armed failpoint fires at the passing that was named, and no other does")
    func passings() {
        let armed = Failpoint.Armed([.init(point: .deadLetter, action: .error, passing: 2)])
        #expect((0..<4).map { _ in armed.pass(.deadLetter) } == [false, true, false, false])
        #expect(!armed.pass(.midCopy))
        #expect(!Failpoint.deadLetter.fails, "nobody has armed this process")
    }

    @Test(
        "what cannot be armed is refused, so that no test believes in a fault that never fires",
        arguments: ["mid-copy", "mid-copy=", "mid-copy=stop", "nowhere=crash", "mid-copy=crash@0", "mid-copy=crash@x"])
    func mistakes(text: String) {
        #expect(throws: Failpoint.Mistake(text: text)) { try Failpoint.parse(text) }
    }
}
