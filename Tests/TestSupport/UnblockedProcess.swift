import Foundation

extension Process {
    /// Starts the process with every signal deliverable.
    ///
    /// `run()` hands down the signal mask of the calling thread, and on Linux the threads of Swift's pool block nearly all
    /// signals: the child would neither end by SIGTERM nor hear of its own children's end.
    public func runWithoutBlockedSignals() throws {
        var none = sigset_t()
        var before = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        try run()
    }
}
