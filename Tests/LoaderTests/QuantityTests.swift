import Testing

@testable import Loader

@Suite struct QuantityTests {
    @Test(
        "durations are exact",
        arguments: [
            ("1s", Duration.seconds(1)), ("500ms", .milliseconds(500)), ("2m", .seconds(120)),
            ("0.1s", .milliseconds(100)),
            ("1m30s", .seconds(90)), ("1.5h", .seconds(5400)), ("250us", .microseconds(250)), ("7d", .seconds(604_800)),
            ("1_000ms", .seconds(1)),
        ])
    func durations(text: String, expected: Duration) { #expect(parseDuration(text) == expected) }

    @Test(
        "what is no duration is none",
        arguments: ["", "1", "s", "1 s", "-1s", "1.s", ".5s", "1x", "1s2", "99999999999999999d", "1.2.3s"])
    func noDurations(text: String) { #expect(parseDuration(text) == nil) }

    @Test(
        "sizes count in 1000 or 1024 as they say",
        arguments: [
            ("32MiB", 32 << 20), ("64kB", 64_000), ("64KiB", 65_536), ("1.5GiB", 3 << 29), ("10", 10), ("10B", 10),
            ("1GB", 1_000_000_000), ("32 MiB", 32 << 20), ("1mib", 1 << 20),
        ])
    func sizes(text: String, expected: Int) { #expect(parseSize(text) == expected) }

    @Test("what is no size is none", arguments: ["", "32M", "MiB", "-1", "1e6", "9999999999GiB", "32MiB/s"])
    func noSizes(text: String) { #expect(parseSize(text) == nil) }

    @Test(
        "what is formatted reads back as the same",
        arguments: [1, 1000, 1_000_000, 90_000_000, 120_000_000, 86_400_000_000])
    func roundTrip(microseconds: Int) {
        #expect(parseDuration(formatDuration(.microseconds(microseconds))) == .microseconds(microseconds))
        #expect(parseSize(formatSize(microseconds)) == microseconds)
    }

    @Test("formatted quantities use the largest whole unit")
    func formatted() {
        #expect(formatDuration(.seconds(120)) == "2m")
        #expect(formatDuration(.seconds(90)) == "90s")
        #expect(formatDuration(.milliseconds(1500)) == "1500ms")
        #expect(formatSize(32 << 20) == "32MiB")
        #expect(formatSize(1000) == "1000B")
    }
}
