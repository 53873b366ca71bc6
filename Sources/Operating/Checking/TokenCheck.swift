import Credentials
import Loading

/// What a start needs of whoever gives the tokens for the brokers: that he gives one.
enum TokenCheck {
    /// A start says all that is wrong within 15 s, whatever the source waits for.
    private static let patience = Duration.seconds(12)

    /// Gets one, which then serves.
    ///
    /// - Returns: why there is none; nil where there is one, or none is needed.
    static func failure(_ options: LoadingOptions) -> CredentialFailure? {
        guard let tokens = options.tokens else { return nil }
        do throws(CredentialFailure) {
            _ = try tokens.token(within: patience)
            return nil
        } catch {
            return error
        }
    }

    /// What whoever gives tokens and passwords has shown beside them: a clock that is off.
    static func warnings(_ options: LoadingOptions) -> [SetupProblem] {
        let notes = [
            ("kafka.token", options.tokens?.standing.note), ("postgres.password", options.database.secrets?.note),
        ]
        return notes.compactMap { place, note in
            note.map {
                SetupProblem(.clock, at: place, $0, mend: "run a time service on this machine (NTP)", isWarning: true)
            }
        }
    }

    static func problem(_ failure: CredentialFailure) -> SetupProblem {
        var problem = SetupProblem(
            .kafka, at: "kafka.token", "\(OutageNotice(tokens: failure).what): \(failure)", mend: .said(failure.mend))
        problem.passing = failure.code == .away ? .outage : .never
        return problem
    }
}
