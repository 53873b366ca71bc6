import Testing

@testable import Kafka

@Suite("When a client is told again where it began")
struct BrokerReminderTests {
    @Test("not at once, then ever more seldom up to once a minute, and anew after an answer")
    func pauses() {
        var reminder = BrokerReminder()
        let start = ContinuousClock.now
        func told(_ seconds: Range<Int>) -> [Int] {
            seconds.filter { reminder.isDue(at: start + .seconds($0)) }
        }
        #expect(told(0..<300) == [5, 15, 35, 75, 135, 195, 255])
        reminder.rest()
        #expect(told(1000..<1020) == [1005, 1015])
    }
}
