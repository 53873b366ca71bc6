import Testing

@testable import Loading

@Suite("Rejection window")
struct RejectionWindowTests {
    @Test("there is no share before enough messages were seen: a small topic may be all bad")
    func tooFew() {
        var window = RejectionWindow()
        #expect(window.share(adding: 9999, bad: 9999) == nil)
        window.add(9999, bad: 9999)
        #expect(window.share(adding: 1, bad: 1) == 1)
    }

    @Test("the share is of the last messages only: old ones leave, batch by batch")
    func slides() {
        var window = RejectionWindow()
        window.add(5000, bad: 5000)
        window.add(5000, bad: 0)
        #expect(window.share(adding: 0, bad: 0) == 0.5)
        #expect(window.share(adding: 5000, bad: 0) == 0)
        for _ in 0..<20 { window.add(1000, bad: 100) }
        #expect(window.share(adding: 1000, bad: 100) == 0.1)
    }

    @Test("one batch larger than the window counts whole")
    func largeBatch() {
        var window = RejectionWindow()
        window.add(10_000, bad: 10_000)
        #expect(window.share(adding: 50_000, bad: 25_000) == 0.5)
    }

    @Test("asking for a share changes nothing, because the batch may be tried again")
    func asking() {
        let window = RejectionWindow()
        for _ in 0..<3 { #expect(window.share(adding: 10_000, bad: 2500) == 0.25) }
    }
}
