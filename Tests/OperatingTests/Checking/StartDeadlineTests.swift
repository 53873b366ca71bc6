import Testing

@testable import Operating

@Suite("The time of a start")
struct StartDeadlineTests {
    @Test("whoever is asked early gets what he may take, and however late it is nobody gets nothing")
    func shares() {
        let beginning = ContinuousClock.now
        let deadline = StartDeadline(from: beginning)
        #expect(deadline.share(.seconds(10), sparing: .seconds(3), at: beginning) == .seconds(10))
        #expect(deadline.share(.seconds(5), at: beginning + .seconds(2)) == .seconds(5))
        #expect(deadline.share(.seconds(10), sparing: .seconds(3), at: beginning + .seconds(8)) == .seconds(2))
        #expect(deadline.share(.seconds(4), at: beginning + .seconds(10)) == .seconds(3))
        #expect(deadline.share(.seconds(4), at: beginning + .seconds(20)) == .milliseconds(1500))
    }

    @Test("a slow token, brokers that let nobody in and the question why take no more than 15 s together")
    func whole() {
        let beginning = ContinuousClock.now
        for token in [Duration.zero, .seconds(6), .seconds(12)] {
            let deadline = StartDeadline(from: beginning)
            var now = beginning + token
            now += deadline.share(.seconds(10), sparing: .seconds(3), at: now)
            now += deadline.share(.seconds(4), at: now)
            #expect(now - beginning <= .seconds(15))
        }
    }
}
