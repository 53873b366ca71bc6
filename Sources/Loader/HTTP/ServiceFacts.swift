import Foundation
import Loading
import Operating

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What stays the same as long as the process runs, for the status page. Holds no secret.
struct ServiceFacts: Sendable {
    var group = ""
    var brokers = ""
    /// The database that is asked for: `shop on db1:5432,db2:5432`.
    var database = ""
    /// This machine's, or container's, name.
    var host = ""
    var started = ProcessFigures.startTime
    var delivery = LoadingOptions.Delivery.exactlyOnce
    var writers = 1
    /// Whether `loader dead-letters` has a table to look into.
    var hasDeadLetterTable = true
    /// What to do about dead letters.
    var deadLetterMend = LoadingOptions.DeadLetters().mend.words
}

extension ServiceFacts {
    init(_ options: LoadingOptions) {
        self.init(
            group: options.group, brokers: options.brokers, database: options.connectionOptions("status").place,
            host: Self.hostName,
            delivery: options.delivery, writers: options.writers,
            hasDeadLetterTable: options.deadLetters.table != nil, deadLetterMend: options.deadLetters.mend.words)
    }

    /// Asks no name server.
    private static var hostName: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
