import Loading
import Testing

import struct Foundation.Date

@testable import Loader

@Suite struct ProgressLineTests {
    let midway = Progress(
        messages: 82_000, rows: 81_900, deadLetters: 21, batches: 2, rate: 1000.4, lag: 118_000,
        catchUp: .init(share: 0.41, secondsLeft: 117.95))

    private func line(_ progress: Progress, width: Int = 200) -> String {
        ProgressLine.text(progress, width: width, isColored: false)
    }

    @Test("while it catches up: how much is done, how fast, and how long it will take")
    func catchingUp() {
        #expect(
            line(midway)
                == "████████░░░░░░░░░░░░  41%  82,000 messages  1,000/s  1 min 58 s left  lag 118,000  dead letters 21  "
                + "rows 81,900  batches 2")
    }

    @Test("when it has caught up there is no bar and no time left")
    func caughtUp() {
        let progress = Progress(messages: 200_050, rows: 200_050, batches: 5, rate: 0, lag: 0)
        #expect(line(progress) == "200,050 messages  0/s  lag 0  rows 200,050  batches 5")
    }

    @Test("before anything is known nothing is claimed")
    func unknown() { #expect(line(Progress()) == "0 messages  0/s  rows 0  batches 0") }

    @Test("what is waited for comes first, and no time left is claimed meanwhile")
    func waiting() {
        var snapshot = LoadingStatistics.Snapshot()
        snapshot.outagesSince = [.database: Date()]
        snapshot.isAssigned = true
        #expect(line(Progress(snapshot)) == "waiting for the database  0 messages  0/s  lag 0  rows 0  batches 0")
        snapshot.lockWaits = ["writer 0": LockedPlace(place: "t", holder: "pid 7", mend: .said("wait"), since: Date())]
        #expect(line(Progress(snapshot)).hasPrefix("waiting for the database and a lock on t  "))
        var progress = midway
        progress.waitsFor = ["the database", "the brokers"]
        #expect(line(progress).hasPrefix("waiting for the database and the brokers  82,000 messages  "))
        #expect(!line(progress).contains("left"))
    }

    @Test("100 % and no time left are not claimed while anything is left")
    func nearTheEnd() {
        var progress = midway
        progress.catchUp = .init(share: 0.999, secondsLeft: 0.01)
        #expect(line(progress).contains(" 99% "))
        #expect(line(progress).contains(" 1 s left"))
        progress.catchUp = .init(share: 0, secondsLeft: nil)
        #expect(line(progress).contains(" 0% "))
        #expect(!line(progress).contains("left"))
    }

    @Test(
        "times are given in units that fit",
        arguments: [(59, "59 s left"), (60, "1 min 0 s left"), (7290, "2 h 1 min left")])
    func times(seconds: Int, expected: String) {
        var progress = midway
        progress.catchUp?.secondsLeft = Double(seconds)
        #expect(line(progress).contains(expected))
    }

    @Test("the line stays within the terminal and drops what matters least", arguments: 0..<120)
    func width(width: Int) {
        let text = line(midway, width: width)
        #expect(text.count < max(width, 1))
        #expect(line(midway).hasPrefix(text))
    }

    @Test("colours take no room")
    func colored() {
        let text = ProgressLine.text(midway, width: 200, isColored: true)
        #expect(text.contains(TerminalCode.yellow))
        #expect(text.replacing(/\u{1B}\[\d+m/, with: "") == line(midway))
    }
}
