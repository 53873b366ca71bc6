import Loading
import Logging

extension Mend {
    /// What to do or type, in the words of the loader's own configuration and commands.
    package var words: String {
        switch self {
        case .said(let words): words
        case .each: "mend each as its line says, and start again"
        case .endLock(let holders): holders.endingWords
        case .position(let mend): mend.words
        case .database(let mend): mend.words
        case .group(let mend): mend.words
        case .letters(let mend): mend.words
        case .routing(let mend): mend.words
        case .drift(let mend): mend.words
        case .certificate(let role): role.renewal
        case .stuck(let pid):
            "a host that is starved or frozen, or a call that does not come back: keep what `gdb -p \(pid) -batch -ex 'thread apply all bt'` "
                + "says, and report it with the log; if it stays so for five times as long, the process ends by itself, and started again "
                + "it goes on where PostgreSQL stands"
        case .fault:
            "no data, server or setting is to blame: report this line, those before it and what `loader version` says; started again "
                + "the loader goes on where PostgreSQL stands, and if it stops at the same place, the version before may go on"
        }
    }
}

extension LoadingError {
    package init(_ code: Code, _ message: String, mend: String) {
        self.init(code, message, mend: .said(mend))
    }

    /// What happened and what to do, in one line.
    package var summary: String { "\(message); \(mend.words)" }

    /// The same, with a line for each mistake that was found.
    package var told: String {
        problems.isEmpty ? summary : ([message + ":"] + problems.map { "  - \($0.told)" }).joined(separator: "\n")
    }
}

extension SetupProblem {
    package init(_ code: Code, at place: String, _ problem: String, mend: String, isWarning: Bool = false) {
        self.init(code, at: place, problem, mend: .said(mend), isWarning: isWarning)
    }

    /// Where, what, and what to do, in one line.
    package var told: String { "\(self); \(mend.words)" }

    /// What a log says beside the problem itself.
    package var metadata: Logger.Metadata { ["code": "\(code.rawValue)", "at": "\(place)", "mend": mend.forLog] }
}

extension Incident {
    package init(
        _ level: Logger.Level, _ summary: String, code: String? = nil, error: String? = nil, at place: String? = nil,
        mend: String, until cause: Cause? = nil
    ) {
        self.init(level, summary, code: code, error: error, at: place, mend: .said(mend), until: cause)
    }
}

extension DeadLetterReplay.Refusal {
    package init(message: String, mend: String) { self.init(message: message, mend: .said(mend)) }

    /// What happened and what to do, in one line.
    package var told: String { "\(self); \(mend.words)" }
}
