import Foundation
import Testing

@testable import Credentials

@Suite("AWS's credentials at hand")
struct AWSCredentialStoreTests {
    private let start = Date(timeIntervalSince1970: 1_800_000_000)
    private static let role = AWSCredentialSource.webIdentity(AWSRole(arn: "a"), tokenFile: "f")
    private static let instance = AWSCredentialSource.instance(endpoint: "http://169.254.169.254")
    private let away = CredentialFailure(.away, at: "x", "y", mend: "z")

    private func at(_ minutes: Double) -> Date { start.addingTimeInterval(minutes * 60) }

    private func key(_ name: String, until minutes: Double?) -> AWSCredentials {
        AWSCredentials(accessKeyID: name, secretAccessKey: "s", sessionToken: "t", expires: minutes.map(at))
    }

    @Test("they serve till a quarter of an hour before their end, then others are fetched beside, then waited for")
    func times() {
        var store = AWSCredentialStore()
        #expect(store.demand(at: at(0)) == .now)
        let key = key("A", until: 60)
        #expect(store.take(key, of: Self.role, at: at(0)) == key)
        #expect(store.demand(at: at(44.9)) == .none(key))
        #expect(store.demand(at: at(45.1)) == .soon(key))
        #expect(store.demand(at: at(50.1)) == .now)
        #expect(store.demand(at: at(60)) == .now)
    }

    @Test("while nobody gives others they serve to their end, and nobody is asked more often than once a minute")
    func failing() {
        var store = AWSCredentialStore()
        let key = key("A", until: 60)
        _ = store.take(key, of: Self.role, at: at(0))
        #expect(store.fail(away, of: Self.role, at: at(51)) == key)
        #expect(store.failure == away)
        #expect(store.demand(at: at(51.9)) == .none(key))
        #expect(store.demand(at: at(52.1)) == .now)
        #expect(store.fail(away, of: nil, at: at(59)) == key)
        #expect(store.fail(away, of: Self.role, at: at(60)) == nil)
        #expect(store.demand(at: at(60)) == .now)
        _ = store.take(self.key("B", until: 120), of: Self.role, at: at(61))
        #expect(store.failure == nil)
    }

    @Test("short ones, as a program may give, are not asked for at each use")
    func short() {
        var store = AWSCredentialStore()
        let key = key("A", until: 5)
        _ = store.take(key, of: .command(["x"]), at: at(0))
        #expect(store.demand(at: at(0.9)) == .none(key))
        #expect(store.demand(at: at(1.1)) == .now)
        let endless = self.key("B", until: nil)
        _ = store.take(endless, of: .command(["x"]), at: at(2))
        #expect(store.demand(at: at(6.9)) == .none(endless))
        #expect(store.demand(at: at(7.1)) == .now)
        #expect(store.fail(away, of: .command(["x"]), at: at(8)) == endless, "nobody has said that they end")
        #expect(store.demand(at: at(8.9)) == .none(endless))
        store.forget(endless)
        #expect(store.fail(away, of: .command(["x"]), at: at(9)) == nil)
    }

    @Test("what may be refused is asked for anew, no more than once a minute, and serves while there is nothing else")
    func doubted() {
        var store = AWSCredentialStore()
        let key = key("A", until: 60)
        _ = store.take(key, of: Self.role, at: at(0))
        store.renew(at: at(0.9))
        #expect(store.demand(at: at(0.9)) == .none(key))
        store.renew(at: at(1.1))
        #expect(store.demand(at: at(1.1)) == .now)
        #expect(store.fail(away, of: Self.role, at: at(1.2)) == key)
        #expect(store.demand(at: at(1.2)) == .none(key))
        store.renew(at: at(3))
        let other = self.key("B", until: 60)
        #expect(store.take(other, of: Self.role, at: at(3)) == other)
        #expect(store.demand(at: at(3)) == .none(other))
    }

    @Test("what stands in variables or files is looked up at each use")
    func written() {
        var store = AWSCredentialStore()
        let key = key("A", until: nil)
        #expect(store.take(key, of: .written(key), at: at(0)) == key)
        #expect(store.demand(at: at(0)) == .now)
    }

    @Test("an instance's own serve on past their end while its metadata service is away, or hands out old ones")
    func stability() {
        var store = AWSCredentialStore()
        _ = store.take(key("A", until: 60), of: Self.instance, at: at(0))
        #expect(store.fail(away, of: Self.instance, at: at(61)) == key("A", until: 76))
        #expect(store.take(key("B", until: 50), of: Self.instance, at: at(70)) == key("B", until: 85))
        let refused = CredentialFailure(.refused, at: "x", "y", mend: "z")
        #expect(store.fail(refused, of: Self.instance, at: at(86)) == nil)
    }

    @Test("a metadata service that has never answered is most likely none: that is a mistake, and no outage")
    func mistake() {
        var store = AWSCredentialStore()
        #expect(store.asMistake(away, of: Self.instance).code == .unusable)
        #expect(store.asMistake(away, of: Self.role).code == .away)
        _ = store.take(key("A", until: 60), of: Self.instance, at: at(0))
        #expect(store.asMistake(away, of: Self.instance).code == .away)
    }

    @Test("a clock that is set back holds nobody off")
    func clock() {
        var store = AWSCredentialStore()
        let key = key("A", until: 5)
        _ = store.take(key, of: Self.role, at: at(0))
        #expect(store.demand(at: at(-1)) == .now)
    }
}
