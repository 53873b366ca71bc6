import Postgres

extension LoadingOptions.Database {
    /// How to reach it. Nothing else makes such options of these, so that what is asked before a connection is asked before
    /// each.
    ///
    /// - Parameters:
    ///   - name: how this process introduces itself to the server.
    ///   - statements: the longest that one of its statements may take; nil: `statement_timeout`.
    package func connectionOptions(_ name: String, statements: Duration? = nil) -> ConnectionOptions {
        ConnectionOptions(
            url: url, secrets: secrets, applicationName: name, connectTimeout: connectTimeout,
            answerTimeout: (statements ?? statementTimeout) + answerMargin)
    }
}

extension LoadingOptions {
    /// The same of one who does something for the group.
    public func connectionOptions(_ role: String, statements: Duration? = nil) -> ConnectionOptions {
        database.connectionOptions("loader \(group) \(role)", statements: statements)
    }
}

extension LoadingOptions.Database: Equatable {
    public static func == (one: Self, other: Self) -> Bool {
        one.url == other.url && one.secrets === other.secrets && one.connectTimeout == other.connectTimeout
            && one.statementTimeout == other.statementTimeout && one.lockTimeout == other.lockTimeout
            && one.answerMargin == other.answerMargin && one.lockSilence == other.lockSilence
            && one.synchronousCommit == other.synchronousCommit
    }
}
