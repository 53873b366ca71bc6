import Credentials
import Synchronization

/// Who the loader is to AWS, for all that ask it: those that ask as the same share what is known.
final class AWSChains: Sendable {
    private let environment: [String: String]
    private let region: String?
    private let chains = Mutex<[AWSIdentity: AWSCredentialChain]>([:])
    private let clock = AWSClock()

    /// - Parameters:
    ///   - environment: with AWS's variables.
    ///   - region: that the configuration names for something, for where AWS's own settings name none.
    init(_ environment: [String: String], region: String?) {
        self.environment = environment
        self.region = region
    }

    func chain(_ identity: AWSIdentity = AWSIdentity()) -> AWSCredentialChain {
        chains.withLock { chains in
            if let chain = chains[identity] { return chain }
            let chain = AWSCredentialChain(identity, region: region, environment: environment, clock: clock)
            chains[identity] = chain
            return chain
        }
    }

    /// Of credentials that the configuration names itself.
    ///
    /// - Parameter read: them as they are now, where files hold them.
    func chain(of credentials: AWSCredentials, read: (@Sendable () -> AWSCredentials?)?) -> AWSCredentialChain {
        AWSCredentialChain(
            credentials: credentials, readCredentials: read, region: region, environment: environment, clock: clock)
    }
}

extension AWSRegion {
    /// That of brokers, `host:port` separated by commas, if nobody names one.
    init(named: String?, brokers: String) {
        let hosts = brokers.split(separator: ",").map { broker -> String in
            let address = broker.split(separator: "/").last ?? broker
            return String(address.prefix { $0 != ":" }.filter { !$0.isWhitespace })
        }
        self.init(named: named, hosts: hosts)
    }
}
