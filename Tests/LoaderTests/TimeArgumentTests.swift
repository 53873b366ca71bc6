import Foundation
import Testing

@testable import Loader

@Suite struct TimeArgumentTests {
    @Test(
        "a time is read with its offset, with or without a fraction",
        arguments: [
            ("2026-01-31T00:00:00Z", 1_769_817_600.0), ("2026-01-31T01:00:00+01:00", 1_769_817_600),
            ("2026-01-31T00:00:00.250Z", 1_769_817_600.25),
        ])
    func absolute(text: String, seconds: Double) {
        #expect(TimeArgument(argument: text)?.date == Date(timeIntervalSince1970: seconds))
    }

    @Test("a date without a time is its midnight in UTC, and what it was taken for is said")
    func date() {
        let time = TimeArgument(argument: "2026-01-31")
        #expect(time?.date == Date(timeIntervalSince1970: 1_769_817_600))
        #expect(time?.description == "2026-01-31T00:00:00.000Z")
    }

    @Test("a duration is so long ago")
    func relative() throws {
        let before = Date(timeIntervalSinceNow: -5400)
        let time = try #require(TimeArgument(argument: "1h30m")).date
        #expect(time >= before && time <= Date(timeIntervalSinceNow: -5400))
    }

    @Test(
        "what has no offset or no unit is refused",
        arguments: ["2026-01-31T00:00:00", "2026-02-30", "2026-1-31x", "5", "", "now"])
    func refused(text: String) { #expect(TimeArgument(argument: text) == nil) }
}
