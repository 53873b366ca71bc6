import Kafka
import Testing

@testable import Loading

@Suite("Standstills")
struct StandstillsTests {
    private let place = TopicPartition(topic: "orders", partition: 3)
    private let start = ContinuousClock.now
    private let damage = Standstill(.unreadable, code: "_BAD_MSG", at: "orders[3]@7")

    @Test(
        "no error that comes in place of a message is dropped, unless it passes by itself",
        arguments: [
            (KafkaErrorCode.badMessage, ConsumerErrorFate.Scope.partition, ConsumerErrorFate.standstill(.unreadable)),
            (.badCompression, .partition, .standstill(.unreadable)),
            (.notImplemented, .partition, .standstill(.unreadable)),
            (.messageTooLarge, .partition, .standstill(.unreadable)),
            (.corruptMessage, .partition, .standstill(.unreadable)),
            (KafkaErrorCode(rawValue: -1), .partition, .standstill(.unreadable)),
            (.topicAuthorizationFailed, .partition, .standstill(.refused)),
            (.topicAuthorizationFailed, .topic, .standstill(.refused)),
            (KafkaErrorCode(rawValue: 17), .topic, .standstill(.refused)),
            (.unknownTopicOrPartition, .topic, .standstill(.missing)),
            (.unknownPartition, .partition, .standstill(.missing)),
            (.invalidSessionTimeout, .group, .standstill(.group)),
            (.inconsistentGroupProtocol, .group, .standstill(.group)),
            (.groupMaxSizeReached, .group, .standstill(.group)),
            (.groupAuthorizationFailed, .group, .standstill(.group)),
            (.invalidGroupID, .group, .standstill(.group)),
            (KafkaErrorCode(rawValue: 999), .group, .standstill(.group)),
            (.fatal, .group, .fatal), (.maxPollExceeded, .group, .told),
            (.endOfPartition, .partition, .end), (.offsetOutOfRange, .partition, .position),
            (.rebalanceInProgress, .group, .passing), (.notCoordinator, .group, .passing),
            (.transport, .topic, .passing),
        ])
    func fates(code: KafkaErrorCode, scope: ConsumerErrorFate.Scope, fate: ConsumerErrorFate) {
        #expect(ConsumerErrorFate(code, of: scope) == fate)
    }

    @Test("a partition is fetched again, ever less often, and at once anew when it has been read on in between")
    func again() {
        var standstills = Standstills()
        var now = start
        var waits: [Duration] = []
        for _ in 0..<9 {
            _ = standstills.hold(place, damage, at: now)
            guard let due = standstills.due else { break }
            waits.append(due - now)
            let taken = [standstills.takeDue(at: due - .milliseconds(1)), standstills.takeDue(at: due)]
            #expect(taken == [[], [place]])
            #expect(standstills.due == nil)
            now = due
        }
        #expect(waits == [1, 2, 4, 8, 16, 32, 60, 60, 60].map { .seconds($0) })
        standstills.release(place)
        #expect(standstills.isEmpty)
        _ = standstills.hold(place, damage, at: now)
        #expect(standstills.due == now + .seconds(1))
    }

    @Test("a partition that is gone is not fetched again, and one that another member has is forgotten")
    func gone() {
        var standstills = Standstills()
        _ = standstills.hold(
            place, Standstill(.missing, code: "_UNKNOWN_PARTITION", at: "orders[3]"), isFetchedAgain: false, at: start)
        #expect(standstills.due == nil && standstills.all.count == 1)
        standstills.forget([place])
        #expect(standstills.isEmpty)
    }

    @Test("the same is said once, something else at once, and what stays is said again after ten minutes")
    func saying() {
        var standstills = Standstills()
        var said = [0, 1, 599, 600, 601].map { standstills.hold(place, damage, at: start + .seconds($0)) }
        let other = Standstill(.unreadable, code: "_BAD_COMPRESSION", at: "orders[3]@7")
        said.append(standstills.hold(place, other, at: start + .seconds(602)))
        #expect(said == [true, false, false, true, false, true])
        #expect(standstills.all == [other])
    }

    @Test("the group and what it takes are told apart, and each passes by itself")
    func group() {
        var standstills = Standstills()
        let before = [standstills.joined(), standstills.committed()]
        #expect(before == [false, false])
        let said = [
            standstills.refuse(Standstill(.group, code: "INVALID_SESSION_TIMEOUT", at: "g"), at: start),
            standstills.refuseCommits(Standstill(.group, code: "GROUP_AUTHORIZATION_FAILED", at: "g"), at: start),
            standstills.miss("t", Standstill(.missing, code: "UNKNOWN_TOPIC_OR_PART", at: "t"), at: start),
        ]
        #expect(said == [true, true, true])
        #expect(standstills.all.count == 3)
        let topics = standstills.release(topics: ["t", "u"])
        #expect(topics == ["t"])
        let after = [standstills.joined(), standstills.committed()]
        #expect(after == [true, true])
        #expect(standstills.isEmpty)
    }
}
