import Foundation
import Loading

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// SIGTERM and SIGINT: the first asks for an orderly end, the second ends the process at once.
enum SignalListener {
    /// Must be called before any other thread exists, because threads inherit which signals are blocked.
    static func block() {
        var signals = set
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        // A broken connection is an error of the write that met it, not the end of the process.
        signal(SIGPIPE, SIG_IGN)
    }

    /// Listens on a thread of its own, so that nothing happens inside of a signal handler.
    static func listen(_ stop: StopRequest) {
        let thread = Thread {
            var signals = set
            var received: Int32 = 0
            while true {
                guard sigwait(&signals, &received) == 0 else { continue }
                if stop.isRequested { _exit(128 + received) }
                stop.request()
            }
        }
        thread.name = "signals"
        thread.stackSize = 128 << 10
        thread.start()
    }

    private static var set: sigset_t {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGTERM)
        sigaddset(&signals, SIGINT)
        return signals
    }
}
