import CLibPQ

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// All that waits for the server. libpq's own waits have no end: where something between has forgotten the connection, or the
/// server itself hangs, nothing ever comes, and TCP does not mind. So libpq never waits here, and each wait has an end.
extension Connection {
    /// The next result of what was sent; nil when there is no more.
    ///
    /// - Throws: `.noAnswer` when nothing was heard for too long, and `.connectionLost` when the wait was given up. The
    ///   connection is closed then.
    func nextResult() throws(PostgresError) -> OpaquePointer? {
        var heard = ContinuousClock.now
        while isOpen {
            // A failure to send shows when it is read what the server had to say before.
            let isSending = PQflush(handle) == 1
            guard PQisBusy(handle) == 1 else { break }
            try awaitSocket(toWrite: isSending, &heard)
            // On failure the next result says why.
            guard PQconsumeInput(handle) == 1 else { break }
        }
        return PQgetResult(handle)
    }

    /// Sends all that libpq has taken in.
    func flush() throws(PostgresError) {
        var heard = ContinuousClock.now
        // What the server sends meanwhile is read by libpq, so that neither side waits for the other.
        while PQflush(handle) == 1 { try awaitSocket(toWrite: true, &heard) }
    }

    /// Waits until there is something to read, or room to write. May return for nothing.
    ///
    /// - Parameter heard: when the server last gave a sign of life.
    private func awaitSocket(toWrite: Bool, _ heard: inout ContinuousClock.Instant) throws(PostgresError) {
        if isGivenUp?() ?? false {
            close()
            throw PostgresError(.connectionLost, message: "the wait for the server was given up")
        }
        let left = answerTimeout - (.now - heard)
        guard left > .zero else {
            close()
            throw PostgresError(
                .noAnswer, message: "nothing from the database for \(answerTimeout.components.seconds) s")
        }
        var descriptor = pollfd(fd: PQsocket(handle), events: Int16(toWrite ? POLLIN | POLLOUT : POLLIN), revents: 0)
        // In slices: a stop is to be noticed, and what TLS has read ahead no socket tells of.
        let slice = min(left, isGivenUp == nil ? .seconds(1) : .milliseconds(100))
        if poll(&descriptor, 1, Int32(clamping: slice.wholeMilliseconds + 1)) > 0 {
            heard = .now
        } else {
            tellSilence(since: heard)
        }
    }

    private func tellSilence(since heard: ContinuousClock.Instant) {
        guard let whileSilent else { return }
        let now = ContinuousClock.now
        guard now - heard >= silence, nextLook.map({ $0 <= now }) ?? true else { return }
        whileSilent(self, now - heard)
        nextLook = .now + silence
    }
}
