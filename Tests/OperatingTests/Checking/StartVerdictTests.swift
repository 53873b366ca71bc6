import Loading
import Testing

@testable import Operating

@Suite("What a start makes of what it finds")
struct StartVerdictTests {
    private func problem(_ passing: SetupProblem.Passing, isWarning: Bool = false) -> SetupProblem {
        var problem = SetupProblem(.topic, at: "p", "w", mend: "m", isWarning: isWarning)
        problem.passing = passing
        return problem
    }

    @Test("mistakes stop it, outages alone are away, and what is only absent is a mistake unless it is waited for")
    func verdict() {
        let (never, outage, absent) = (problem(.never), problem(.outage), problem(.absent))
        for waits in [false, true] {
            #expect(StartVerdict([], waits: waits) == .starts)
            #expect(StartVerdict([problem(.never, isWarning: true)], waits: waits) == .starts)
            #expect(StartVerdict([outage], waits: waits) == .away([outage]))
            #expect(StartVerdict([outage, never], waits: waits) == .stops([outage, never]))
        }
        #expect(StartVerdict([outage, absent], waits: false) == .stops([outage, absent]))
        #expect(StartVerdict([outage, absent], waits: true) == .away([outage, absent]))
    }

    @Test("the hosts of a list of brokers are found, whatever stands around them")
    func hosts() {
        #expect(
            HostLookup.hosts(ofBrokers: "SASL_SSL://one:9092, two:9093,[::1]:9092,three")
                == ["one", "two", "::1", "three"])
    }
}
