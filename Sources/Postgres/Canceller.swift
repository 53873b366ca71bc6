import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Ends from another thread what a connection's own thread is blocked in.
public final class Canceller: Sendable {
    private let socket: SharedSocket

    init(socket: SharedSocket) { self.socket = socket }

    /// Breaks the connection itself, for a server that no longer answers: the blocked call returns at once with
    /// `PostgresError.Code.connectionLost`, and the outcome of its statement is unknown.
    public func breakConnection() { socket.shutDown() }
}

/// A second descriptor of a connection's socket.
///
/// libpq closes its own descriptor whenever it finds the connection dead, and the number may be another file's a
/// moment later, so shutting that one down from another thread would be a race. This one is closed only here, under
/// the same lock that `shutDown` takes.
final class SharedSocket: Sendable {
    private let descriptor: Mutex<Int32?>

    init(duplicating socket: Int32) {
        let copy = fcntl(socket, F_DUPFD_CLOEXEC, 0)
        descriptor = Mutex(copy >= 0 ? copy : nil)
    }

    deinit { close() }

    func shutDown() {
        descriptor.withLock { descriptor in
            guard let descriptor else { return }
            _ = shutdown(descriptor, Int32(SHUT_RDWR))
        }
    }

    func close() {
        descriptor.withLock { descriptor in
            if let open = descriptor { _ = closeDescriptor(open) }
            descriptor = nil
        }
    }
}

/// `close(2)` by a name that no method hides.
private func closeDescriptor(_ descriptor: Int32) -> Int32 { close(descriptor) }
