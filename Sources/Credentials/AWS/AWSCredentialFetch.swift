import Foundation

/// One attempt to get credentials from where the plan says. Belongs to one thread, which waits in it.
struct AWSCredentialFetch {
    let exchange: AWSExchange
    let environment: [String: String]
    /// Of the profile that is in force.
    let setting: (String) -> String?
    /// Where STS is asked; nil: nobody says it.
    let region: String?
    let sessionName: String

    private static let patienceWithPrograms = Duration.seconds(10)

    private var home: String { environment["HOME"] ?? "" }

    func credentials(from source: AWSCredentialSource) throws(CredentialFailure) -> AWSCredentials {
        switch source {
        case .written(let credentials):
            guard credentials.expires.map({ $0 > exchange.clock.now }) ?? true else {
                throw CredentialFailure(
                    .refused, at: source.place, "the credentials have ended, as AWS_CREDENTIAL_EXPIRATION says",
                    mend: "set new ones, and start the loader again; or let it get them itself, by AWS_PROFILE")
            }
            return credentials
        case .role(let role, let other):
            let credentials = try credentials(from: other)
            return try service().assume(role, by: credentials)
        case .webIdentity(let role, let file):
            return try service().assume(role, webIdentity: try token(file, source.place))
        case .signOn(let session):
            return try session.credentials(exchange, home: home, environment: environment, setting: setting)
        case .command(let words): return try credentials(ofProgram: words, source.place)
        case .container(let endpoint): return try endpoint.credentials(exchange)
        case .instance(let endpoint):
            return try AWSInstanceMetadata(exchange: exchange, endpoint: endpoint).credentials()
        }
    }

    private func service() throws(CredentialFailure) -> AWSTokenService {
        let endpoint = try AWSTokenService.endpoint(region: region, environment: environment, profile: setting)
        return AWSTokenService(exchange: exchange, endpoint: endpoint, sessionName: sessionName)
    }

    /// Read each time: Kubernetes puts another into the file before the one in it ends.
    private func token(_ file: String, _ place: String) throws(CredentialFailure) -> String {
        guard let bytes = FileManager.default.contents(atPath: AWSFiles.path(file, home: home)) else {
            throw CredentialFailure(
                .unusable, at: place, "the token's file \(file) cannot be read",
                mend: "let the loader's user read what AWS_WEB_IDENTITY_TOKEN_FILE names; in Kubernetes by fsGroup")
        }
        let text = String(decoding: bytes, as: UTF8.self)
        let words = text.split { $0.isWhitespace }
        guard words.count == 1, let token = words.first else {
            throw CredentialFailure(
                .unusable, at: place, "the token's file \(file) holds no token", mend: "look at what has to write it")
        }
        return String(token)
    }

    private func credentials(ofProgram words: [String], _ place: String) throws(CredentialFailure) -> AWSCredentials {
        let mend = "run it by hand as the loader's user; log.level debug has the last line that it writes"
        let outcome: ChildProcess.Outcome
        do throws(ChildProcess.Failure) {
            outcome = try ChildProcess.run(words, within: Self.patienceWithPrograms, exchange.isGivenUp)
        } catch {
            switch error {
            case .start(let why):
                throw CredentialFailure(
                    .unusable, at: place, "it cannot be started: \(why)",
                    mend: "mend credential_process in the profile; no shell reads it")
            case .late(let line):
                let patience = Self.patienceWithPrograms.components.seconds
                throw CredentialFailure(
                    .away, at: place, "no credentials within \(patience) s", mend: mend, detail: line)
            case .tooMuch:
                throw CredentialFailure(.unusable, at: place, "it prints too much for credentials", mend: mend)
            }
        }
        guard outcome.status == 0 else {
            let words = outcome.status < 0 ? "ended by signal \(-outcome.status)" : "exit status \(outcome.status)"
            throw CredentialFailure(.refused, at: place, words, mend: mend, detail: outcome.lastLine)
        }
        guard let answer = AWSCredentialAnswer(outcome.output) else {
            throw CredentialFailure(
                .unusable, at: place, "what it prints is no JSON with credentials",
                mend: #"let it print {"Version": 1, "AccessKeyId": …, "SecretAccessKey": …}"#)
        }
        guard answer.version == 1, let credentials = answer.credentials else {
            throw CredentialFailure(
                .unusable, at: place,
                answer.version == 1
                    ? "AccessKeyId, SecretAccessKey or a good Expiration is missing" : "Version is not 1",
                mend: #"let it print {"Version": 1, "AccessKeyId": …, "SecretAccessKey": …}"#)
        }
        return credentials
    }
}
