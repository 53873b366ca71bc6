import Testing

@testable import Kafka

@Suite("State of a group")
struct GroupStateTests {
    private let unknown = Admin.Group(state: "Dead", members: [])

    @Test("a group that the older description calls dead and the brokers list as running is running")
    func otherProtocol() {
        #expect(!unknown.isRunning)
        #expect(!unknown.listed(as: nil).isRunning)
        #expect(!unknown.listed(as: "Empty").isRunning && !unknown.listed(as: "Dead").isRunning)
        for state in ["Stable", "PreparingRebalance", "Unknown"] {
            #expect(unknown.listed(as: state).isRunning && unknown.listed(as: state).state == state)
        }
    }

    @Test("what the description shows counts for more than the list")
    func described() {
        let member = Admin.Group.Member(id: "m", clientID: "c", host: "h", instanceID: nil, assignment: [])
        let stable = Admin.Group(state: "Stable", members: [member])
        #expect(stable.listed(as: "Empty") == stable && stable.isRunning)
        let empty = Admin.Group(state: "Empty", members: [])
        #expect(empty.listed(as: "Stable") == empty && !empty.isRunning)
    }
}
