import CSimulation
import Glibc
import SimulatedPostgres

/// A connection as libpq has it, and the network below it.
final class ServerConnection {
    private enum Slot {
        /// By the simple protocol, or one statement with its sync.
        case query
        /// Of a pipeline.
        case statement, sync
    }

    let process: Int32
    let name: String
    private let server: SimulatedServer
    private var session: Session?
    private(set) var isOpen = false
    var isVerbose = false
    var isPipeline = false
    private(set) var message = ""
    /// The client's end, which it polls, and the other.
    private var files: (client: Int32, server: Int32) = (-1, -1)
    private var slots: [Slot] = []
    private var inbox: [Session.Response] = []
    private var status = Session.Status.idle
    private var isInCopy = false
    private var owesEnd = false
    private var isPipelineAborted = false
    private var hasToldLoss = false
    /// Nothing goes through any more, either way.
    private var isCut = false
    /// So that nothing overtakes what was sent before.
    private var (lastThere, lastBack): (Int64, Int64) = (0, 0)
    private var silentUntil: Int64 = 0
    private var losesMessages = false
    private var losesAnswers = false

    init(_ server: SimulatedServer, name: String) {
        (self.server, self.name, process) = (server, name, sim_process())
    }

    deinit { closeFiles() }

    // MARK: Connecting

    /// Takes as long as it takes.
    ///
    /// - Parameter timeout: in nanoseconds.
    func connect(timeout: Int64) {
        closeFiles()
        (isOpen, message) = (false, "")
        let start = sim_now()
        if server.draw(server.faults.connectRefused, "connectRefused") {
            pause(until: start + server.latency)
            message = "connection to server at \"sim\", port 5432 failed: Connection refused"
            return
        }
        if server.draw(server.faults.connectHangs, "connectHangs") {
            pause(until: start + timeout)
            message = "connection to server at \"sim\", port 5432 failed: timeout expired"
            return
        }
        pause(until: start + 3 * server.latency)
        openFiles()
        if let failure = server.greeting {
            let code = isVerbose ? "\(failure.state): " : ""
            message = "connection to server at \"sim\", port 5432 failed: FATAL:  \(code)\(failure.message)"
            return
        }
        let session = server.database.connect(name)
        session.idleSince = server.database.time
        session.interception = { [unowned self] in failure() }
        session.answer = { [weak self] response in self?.answer(response) }
        self.session = session
        (isOpen, isCut, status) = (true, false, .idle)
        (losesMessages, losesAnswers, hasToldLoss, slots, inbox) = (false, false, false, [], [])
        server.add(self)
    }

    private func pause(until moment: Int64) {
        while sim_now() < moment { _ = sim_wait(Unmanaged.passUnretained(self).toOpaque(), moment) }
    }

    var pid: Int32 { session?.pid ?? 0 }

    var socket: Int32 { files.client }

    private func openFiles() {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { return }
        files = (ends[0], ends[1])
    }

    private func closeFiles() {
        for file in [files.client, files.server] where file >= 0 { close(file) }
        files = (-1, -1)
    }

    /// As PQfinish.
    func finish() {
        server.remove(self)
        drop()
        closeFiles()
    }

    /// The client's end is gone; the server hears of it when it next looks.
    private func drop() {
        isOpen = false
        guard let session, !isCut else { return }
        isCut = true
        leave(session)
    }

    private func leave(_ session: Session) {
        // In a silence the end of a connection is not heard of either.
        server.at(max(sim_now() + server.latency, silentUntil)) { [server] in
            guard !session.isEnded else { return }
            session.clientGoneAt = server.database.time
            if !session.isInStatement || session.isInCopy { session.end() }
            server.database.settle()
        }
    }

    /// Something between has ended the connection: both sides hear of it.
    func cut() {
        guard !isCut else { return }
        isCut = true
        if files.server >= 0 { shutdown(files.server, Int32(SHUT_RDWR)) }
        if let session { leave(session) }
    }

    // MARK: There

    /// - Returns: false where the connection is known to be gone.
    func send(_ messages: [Session.Message], isCommit: Bool) -> Bool {
        guard isOpen else { return false }
        let faults = server.faults
        if server.draw(faults.restart, "restart") {
            server.at(sim_now() + server.latency) { [server] in server.restart(server.faults.restartLength) }
        }
        if server.draw(faults.standby, "standby") { server.becomeStandby(faults.restartLength) }
        let isCutThere =
            isCommit
            ? server.draw(faults.cutBeforeCommit, "cutBeforeCommit")
            : server.draw(faults.cutBeforeArrival, "cutBeforeArrival")
        // Nothing that is sent behind it arrives either.
        if losesMessages { return true }
        if isCutThere {
            losesMessages = true
            server.at(sim_now() + server.latency) { [weak self] in self?.cut() }
            return true
        }
        losesAnswers =
            losesAnswers || isCommit && server.draw(faults.cutAfterCommit, "cutAfterCommit")
            || !isCommit && server.draw(faults.cutBeforeAnswer, "cutBeforeAnswer")
        if server.draw(faults.silence, "silence") { silentUntil = sim_now() + faults.silenceLength }
        lastThere = max(lastThere, sim_now() + server.latency)
        server.at(lastThere) { [weak self] in
            guard let self, !isCut, let session else { return }
            for message in messages { session.send(message) }
        }
        return true
    }

    func query(_ sql: String) -> Bool {
        slots.append(.query)
        let sql = Mutant.altered(sql)
        return send([.simple(sql)], isCommit: sql.contains("COMMIT"))
    }

    func query(_ sql: String, _ parameters: [SQLValue]) -> Bool {
        slots.append(isPipeline ? .statement : .query)
        let parameters = Mutant.altered(sql, parameters)
        let messages: [Session.Message] = [.statement(Mutant.altered(sql), parameters)] + (isPipeline ? [] : [.sync])
        return send(messages, isCommit: sql == "COMMIT")
    }

    func sync() -> Bool {
        slots.append(.sync)
        return send([.sync], isCommit: false)
    }

    func copy(_ data: [UInt8]) -> Bool { isInCopy && send([.copyData(data)], isCommit: false) }

    func endCopy(_ failure: String?) -> Bool {
        guard isInCopy, isOpen else { return false }
        isInCopy = false
        return send([failure.map { .copyFail($0) } ?? .copyDone], isCommit: false)
    }

    private func failure() -> SQLFailure? {
        if server.draw(server.faults.terminated, "terminated") {
            return SQLFailure("57P01", "terminating connection due to administrator command").fatal
        }
        for failure in server.faults.failures where server.draw(failure.chance, "failure") {
            return SQLFailure(failure.state, "the server cannot do this now")
        }
        return nil
    }

    // MARK: Back

    private func answer(_ response: Session.Response) {
        guard !isCut else { return }
        if losesAnswers {
            cut()
            return
        }
        var moment = sim_now() + server.latency
        if server.draw(server.faults.slow, "slow") { moment += server.drawn(0...server.faults.slowness) }
        lastBack = max(lastBack, moment, silentUntil)
        server.at(lastBack) { [weak self] in self?.arrive(response) }
    }

    private func arrive(_ response: Session.Response) {
        guard !isCut, files.server >= 0 else { return }
        if case .ended = response {
            isCut = true
            shutdown(files.server, Int32(SHUT_RDWR))
            return
        }
        inbox.append(response)
        var byte: UInt8 = 0
        _ = write(files.server, &byte, 1)
    }

    /// As PQconsumeInput.
    func consume() -> Bool {
        guard isOpen else { return false }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = read(files.client, &bytes, bytes.count)
        if count > 0 || count < 0 && errno == EAGAIN { return true }
        message = "server closed the connection unexpectedly"
        drop()
        return false
    }

    var isBusy: Bool {
        guard isOpen, !isInCopy, !owesEnd, let slot = slots.first else { return false }
        if isPipelineAborted, case .statement = slot { return false }
        return inbox.isEmpty
    }

    /// As PQgetResult; nil at the end of what was asked.
    func nextResult() -> ServerResult? {
        if isInCopy { return isOpen ? ServerResult(status: .copyIn) : loss() }
        if owesEnd {
            owesEnd = false
            slots.removeFirst()
            return nil
        }
        guard let slot = slots.first else { return nil }
        if isPipelineAborted, case .statement = slot {
            owesEnd = true
            return ServerResult(status: .pipelineAborted)
        }
        guard !inbox.isEmpty else { return loss() }
        let response = inbox.removeFirst()
        switch response {
        case .copyIn:
            isInCopy = true
            return ServerResult(status: .copyIn)
        case .ready(let status):
            self.status = status
            slots.removeFirst()
            guard case .sync = slot else { return nil }
            isPipelineAborted = false
            return ServerResult(status: .pipelineSync)
        case .result, .failure:
            if case .statement = slot {
                owesEnd = true
                if case .failure = response { isPipelineAborted = true }
            }
            return ServerResult(response)
        case .ended: return loss()
        }
    }

    private func loss() -> ServerResult? {
        slots = []
        (isInCopy, owesEnd) = (false, false)
        guard !hasToldLoss else { return nil }
        hasToldLoss = true
        if message.isEmpty { message = "server closed the connection unexpectedly" }
        drop()
        return ServerResult(status: .fatal)
    }

    /// `PGTransactionStatusType`.
    var transactionStatus: UInt32 {
        guard isOpen else { return 4 }
        guard slots.isEmpty else { return 1 }
        return switch status {
        case .idle: 0
        case .inTransaction: 2
        case .failed: 3
        }
    }
}
