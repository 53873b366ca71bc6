import Foundation
import Synchronization

/// Stands between a PostgreSQL client and its server, forwards both ways, and breaks connections at chosen moments.
///
/// Two threads a connection copy bytes. What the client sends is searched for COMMIT as a statement of a pipeline, which
/// is how the loader sends it.
public final class TCPProxy: Sendable {
    /// What happens to the next COMMITs, one each; afterwards they pass.
    public enum Fault: Sendable, CaseIterable {
        /// The server never hears of it, and both connections are cut.
        case swallowCommit
        /// The server carries it out, and both connections are cut before the client has the answer.
        case swallowAnswer
    }

    /// The way that bytes of a forgotten connection no longer go.
    public enum Direction: Sendable, CaseIterable { case toServer, toClient }

    public let port: UInt16
    private let listener: Int32
    private let state: Mutex<State>

    private struct State {
        var target: UInt16
        var stallsAtFault = false
        var faults: [Fault] = []
        var fired = 0
        var isStalled = false
        var isDown = false
        /// What the client says when it is to go down.
        var downfall: [UInt8]?
        /// The direction, and how many pieces in it pass before.
        var forgets: (direction: Direction, pieces: Int)?
        var forgotten = 0
        var isClosed = false
        var connections: [Weak] = []
    }

    /// The threads of a connection own it: a closed one must not keep its descriptors.
    private struct Weak { weak var value: Connection? }

    /// A pair of sockets, closed when both of its threads are done with it.
    private final class Connection: Sendable {
        let client: Int32
        let server: Int32
        let swallowsAnswer = Atomic<Bool>(false)
        let forgetsToServer = Atomic<Bool>(false)
        let forgetsToClient = Atomic<Bool>(false)
        private let isCut = Atomic<Bool>(false)

        init(client: Int32, server: Int32) {
            self.client = client
            self.server = server
        }

        deinit {
            close(client)
            close(server)
        }

        func isForgotten(_ direction: Direction) -> Bool {
            switch direction {
            case .toServer: forgetsToServer.load(ordering: .acquiring)
            case .toClient: forgetsToClient.load(ordering: .acquiring)
            }
        }

        func forget(_ direction: Direction) {
            switch direction {
            case .toServer: forgetsToServer.store(true, ordering: .releasing)
            case .toClient: forgetsToClient.store(true, ordering: .releasing)
            }
        }

        /// Ends both sockets; the descriptors stay until nobody uses them.
        func cut() {
            guard !isCut.exchange(true, ordering: .acquiringAndReleasing) else { return }
            shutdown(client, Int32(SHUT_RDWR))
            shutdown(server, Int32(SHUT_RDWR))
        }
    }

    /// - Parameter server: a private one.
    public init(to server: PostgresServer) throws {
        state = Mutex(State(target: try Self.port(of: server)))
        (listener, port) = try Self.listen()
        let listener = listener
        Thread { [weak self] in
            while true {
                let client = accept(listener, nil, nil)
                guard client >= 0 else { break }
                guard let self else {
                    close(client)
                    break
                }
                self.forward(client)
            }
            close(listener)
        }.start()
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        for connection in state.withLock({ $0.connections }) { connection.value?.cut() }
    }

    private static func port(of server: PostgresServer) throws -> UInt16 {
        guard let port = URLComponents(string: server.url)?.port.flatMap({ UInt16(exactly: $0) }) else {
            throw POSIXError(.EADDRNOTAVAIL)
        }
        return port
    }

    /// The same URL, by way of the proxy.
    public func url(_ url: String) -> String {
        let target = state.withLock { $0.target }
        return url.replacing(":\(target)/", with: ":\(port)/")
    }

    /// Cuts all connections, and leads those to come to another server, as a load balancer does at a failover.
    public func lead(to server: PostgresServer) throws {
        let target = try Self.port(of: server)
        let connections = state.withLock { state in
            state.target = target
            return state.connections.compactMap(\.value)
        }
        for connection in connections { connection.cut() }
    }

    /// The faults of the COMMITs to come.
    ///
    /// - Parameter stalls: whether nothing passes any more from the fault on, until `isStalled` is set to false: so the
    ///   client cannot find out what became of its COMMIT.
    public func breakCommits(with faults: [Fault], stalls: Bool = false) {
        state.withLock { state in
            state.faults += faults
            state.stallsAtFault = stalls
        }
    }

    /// How many faults have happened.
    public var firedCount: Int { state.withLock { $0.fired } }

    /// While true, connections stay open but nothing passes: a server that does not answer, rather than one that is gone.
    public var isStalled: Bool {
        get { state.withLock { $0.isStalled } }
        set { state.withLock { $0.isStalled = newValue } }
    }

    /// While true, nobody is let through.
    public var isDown: Bool {
        get { state.withLock { $0.isDown } }
        set { state.withLock { $0.isDown = newValue } }
    }

    /// Goes down as soon as a client sends something with this text in it: the server never hears of it, and all connections
    /// are cut, until `isDown` is set to false.
    public func goDown(at text: String) { state.withLock { $0.downfall = Array(text.utf8) } }

    private func goesDown(at bytes: UnsafeRawBufferPointer) -> Bool {
        let connections = state.withLock { state -> [Connection]? in
            guard let text = state.downfall, bytes.contains(text) else { return nil }
            (state.downfall, state.isDown) = (nil, true)
            return state.connections.compactMap(\.value)
        }
        for connection in connections ?? [] { connection.cut() }
        return connections != nil
    }

    /// Forgets a connection as a firewall does that has lost its state: both sides stay open, and what is sent in one
    /// direction goes nowhere, for ever. The other connections, and those to come, are not concerned.
    ///
    /// - Parameter pieces: how many reads of what goes in that direction, over all connections, still pass.
    public func forgetConnection(_ direction: Direction, after pieces: Int = 0) {
        state.withLock { $0.forgets = (direction, pieces) }
    }

    /// How many connections were forgotten.
    public var forgottenCount: Int { state.withLock { $0.forgotten } }

    /// - Returns: whether this piece, and all that follow it, goes nowhere.
    private func swallows(_ direction: Direction, _ connection: Connection) -> Bool {
        if connection.isForgotten(direction) { return true }
        let begins = state.withLock { state in
            guard let forgets = state.forgets, forgets.direction == direction else { return false }
            guard forgets.pieces == 0 else {
                state.forgets = (direction, forgets.pieces - 1)
                return false
            }
            state.forgets = nil
            state.forgotten += 1
            return true
        }
        if begins { connection.forget(direction) }
        return begins
    }

    private func forward(_ client: Int32) {
        guard !isDown, let server = try? Self.connect(to: state.withLock({ $0.target })) else {
            close(client)
            return
        }
        let connection = Connection(client: client, server: server)
        state.withLock { state in
            state.connections.removeAll { $0.value == nil }
            state.connections.append(Weak(value: connection))
        }
        let stall: @Sendable () -> Void = { [weak self] in
            while self?.isStalled == true { usleep(5000) }
        }
        // The threads keep only the connection, so that the proxy can go away before they have ended.
        Thread { [weak self] in
            Self.copy(from: client, to: server) { bytes in
                stall()
                if self?.swallows(.toServer, connection) ?? false { return .swallow }
                if self?.goesDown(at: bytes) ?? false { return .end }
                guard bytes.isCommit, let fault = self?.takeFault() else { return .pass }
                if fault == .swallowCommit { return .end }
                connection.swallowsAnswer.store(true, ordering: .releasing)
                return .pass
            }
            connection.cut()
        }.start()
        Thread { [weak self] in
            Self.copy(from: server, to: client) { _ in
                stall()
                if self?.swallows(.toClient, connection) ?? false { return .swallow }
                return connection.swallowsAnswer.load(ordering: .acquiring) ? .end : .pass
            }
            connection.cut()
        }.start()
    }

    private func takeFault() -> Fault? {
        state.withLock { state in
            guard !state.faults.isEmpty else { return nil }
            state.fired += 1
            if state.stallsAtFault { state.isStalled = true }
            return state.faults.removeFirst()
        }
    }

    private enum Fate { case pass, swallow, end }

    /// Copies until an end, an error, or until `fate` says so.
    private static func copy(from: Int32, to: Int32, fate: (UnsafeRawBufferPointer) -> Fate) {
        withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 16) { buffer in
            while true {
                let count = recv(from, buffer.baseAddress, buffer.count, 0)
                guard count > 0 else { return }
                switch fate(UnsafeRawBufferPointer(rebasing: buffer[..<count])) {
                case .pass: break
                case .swallow: continue
                case .end: return
                }
                var start = 0
                while start < count {
                    let sent = send(
                        to, UnsafeRawBufferPointer(rebasing: buffer[start..<count]).baseAddress, count - start,
                        Int32(MSG_NOSIGNAL))
                    guard sent > 0 else { return }
                    start += sent
                }
            }
        }
    }

    // MARK: Sockets

    #if canImport(Darwin)
        private static let stream = SOCK_STREAM
    #else
        private static let stream = Int32(SOCK_STREAM.rawValue)
    #endif

    private static func listen() throws -> (descriptor: Int32, port: UInt16) {
        let descriptor = socket(AF_INET, stream, 0)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        var address = loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(descriptor, pointer, length) == 0 && Foundation.listen(descriptor, 64) == 0
                    && getsockname(descriptor, pointer, &length) == 0
            }
        }
        guard isListening else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EADDRINUSE) }
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }

    private static func connect(to port: UInt16) throws -> Int32 {
        let descriptor = socket(AF_INET, stream, 0)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        var address = loopback(port)
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                Foundation.connect(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isConnected else {
            close(descriptor)
            throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .ECONNREFUSED)
        }
        return descriptor
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        address.sin_port = port.bigEndian
        return address
    }
}

extension UnsafeRawBufferPointer {
    /// Whether this brings COMMIT as a statement of a pipeline: a `P`, a length of 14, an empty name, the text and no types.
    ///
    /// The client waits for the answers to what it sent before, so a pipeline is always a piece of its own, and a small one.
    fileprivate var isCommit: Bool {
        guard count < 8192 else { return false }
        return contains([0x50, 0, 0, 0, 14, 0] + Array("COMMIT".utf8) + [0, 0, 0])
    }

    fileprivate func contains(_ bytes: [UInt8]) -> Bool { indices.contains { self[$0...].starts(with: bytes) } }
}
