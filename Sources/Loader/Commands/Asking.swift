import Kafka
import Loading
import Postgres

/// Commands that ask the database and the brokers once, and end where either does not answer.
enum Asking {
    /// Does what a command does, says why it could not, and ends it with the status for that.
    ///
    /// - Parameter refusal: what of the command's own errors is said, and how it ends; nil for an error that is none of them.
    static func carryOut<Result>(
        refusing refusal: (any Error) -> (words: String, status: ExitStatus)?, _ body: () throws -> Result
    ) throws -> Result {
        do { return try body() } catch {
            guard let (words, status) = refusal(error) ?? told(error) else { throw error }
            StandardError.shared.write(line: words)
            throw status.code
        }
    }

    private static func told(_ error: any Error) -> (words: String, status: ExitStatus)? {
        switch error {
        case let error as LoadingError: return (error.told, ExitStatus(error.code))
        case let error as PostgresError:
            var mend = [.undefinedTable, .undefinedColumn].contains(error.sqlState) ? "; run `loader migrate up`" : ""
            if error.refusal != nil { mend = "; \(OutageNotice(error).remedy)" }
            let what = error.refusal?.words ?? "the database cannot be asked"
            return ("\(what): \(error)\(mend)", error.passes ? .unavailable : .configuration)
        case let error as KafkaError:
            return ("the brokers cannot be asked: \(error.told)", error.isRetriable ? .unavailable : .configuration)
        default: return nil
        }
    }
}
