import Testing

@testable import Loading

@Suite struct PaceTests {
    let start = ContinuousClock.now

    /// A pace after looks at these seconds.
    private func pace(_ looks: [(second: Double, loaded: Int, lag: Int64?)], maxDelay: Duration = .seconds(1)) -> Pace {
        var pace = Pace()
        for look in looks {
            pace.look(
                messages: look.loaded, offsets: Int64(look.loaded), lag: look.lag, maxDelay: maxDelay,
                at: start + .seconds(look.second))
        }
        return pace
    }

    @Test("a backlog at the start is caught up from 0 %, with the time that the present rate needs")
    func backlog() {
        #expect(pace([(0, 0, nil)]).catchUp == nil)
        #expect(pace([(0, 0, nil), (1, 0, 10_000)]).catchUp == .init(share: 0, secondsLeft: nil))
        let later = pace([(0, 0, nil), (1, 0, 10_000), (3, 2000, 8000)])
        #expect(later.catchUp?.share == 0.2)
        #expect(later.catchUp?.secondsLeft == 12)
        #expect(later.messagesPerSecond == Double(2000) / 3)
        #expect(pace([(0, 0, 10_000), (3, 2000, 8000), (15, 10_000, 0)]).catchUp == nil)
    }

    @Test("what arrives on the way counts as well, and all is claimed only when it is true")
    func growing() {
        #expect(pace([(0, 0, 1000), (5, 1000, 1000)]).catchUp?.share == 0.5)
        #expect(
            pace([(0, 0, 10_000_000), (5, 9_999_999, 1_000_000_000), (900, 10_000_000, 1)]).catchUp?.share == 0.999)
    }

    @Test("a steady stream is kept up with, however long its lag is never 0")
    func steady() {
        let looks = (0..<100).map { (second: Double($0), loaded: $0 * 5000, lag: Int64(3000) as Int64?) }
        #expect(pace([(-1, 0, 0)] + looks).catchUp == nil)
        #expect(pace([(-1, 0, 0)] + looks).messagesPerSecond == 5000)
        // Batches that may wait ten seconds leave a longer lag behind them.
        let slow = (0..<30).map { (second: Double($0 * 10), loaded: $0 * 1000, lag: Int64(1900) as Int64?) }
        #expect(pace([(-1, 0, 0)] + slow, maxDelay: .seconds(10)).catchUp == nil)
    }

    @Test("who falls behind later catches up from there, not from the beginning of the process")
    func later() {
        var looks: [(second: Double, loaded: Int, lag: Int64?)] = [(0, 1_000_000, 0), (5, 1_000_000, 600_000)]
        #expect(pace(looks).catchUp == nil)
        looks += [(16, 1_000_000, 600_000)]
        #expect(pace(looks).catchUp == .init(share: 0, secondsLeft: nil))
        looks += [(20, 1_200_000, 400_000)]
        #expect(pace(looks).catchUp?.share == Double(1) / 3)
        // The last second is no catching up.
        looks += [(24, 1_599_000, 1000)]
        #expect(pace(looks).catchUp == nil)
    }

    @Test("the rate is that of the last ten seconds, and 0 when nothing comes")
    func rate() {
        let looks = (0..<60).map { (second: Double($0), loaded: $0 < 30 ? $0 * 100 : 3000, lag: Int64(0) as Int64?) }
        #expect(pace(Array(looks.prefix(30))).messagesPerSecond == 100)
        #expect(pace(looks).messagesPerSecond == 0)
    }

    @Test("it stands still since something moved last, or since there was nothing to load")
    func standstill() {
        #expect(pace([(0, 0, 10), (5, 4, 6), (9, 4, 6)]).lastMoved == start + .seconds(5))
        #expect(pace([(0, 0, 0), (50, 0, 0), (60, 0, 7)]).lastMoved == start + .seconds(50))
    }
}
