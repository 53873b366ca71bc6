import CSimulation
import Foundation

/// A seed's own process, made of this one as it is now.
struct SeedProcess {
    let identifier: Int32
    /// Where its answer comes.
    let readEnd: Int32

    enum Failure: Error, CustomStringConvertible {
        case system(String, Int32)
        /// As `waitpid` says it.
        case ended(status: Int32)

        var description: String {
            switch self {
            case .system(let call, let code): "\(call): \(String(cString: strerror(code)))"
            case .ended(let status):
                status & 0x7f == 0 ? "ended with \(status >> 8 & 0xff)" : "ended by signal \(status & 0x7f)"
            }
        }
    }

    /// - Parameters:
    ///   - slot: each to a processor of its own; nil: where there is room.
    ///   - body: what it does; its answer comes back to this process. It may run threads, and leave them.
    init(slot: Int? = nil, _ body: () -> [UInt8]) throws(Failure) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw .system("pipe", errno) }
        fflush(nil)
        identifier = sim_fork()
        guard identifier >= 0 else { throw .system("fork", errno) }
        guard identifier == 0 else {
            close(ends[1])
            readEnd = ends[0]
            return
        }
        close(ends[0])
        if let slot { sim_pin(Int32(slot)) }
        let answer = body()
        var sent = 0
        while sent < answer.count {
            let count = answer[sent...].withUnsafeBytes { write(ends[1], $0.baseAddress, $0.count) }
            guard count > 0 else { break }
            sent += count
        }
        sim_write_profile()
        // Without the farewells of the process that it was made of.
        _exit(sent == answer.count ? 0 : 1)
    }

    /// Waits for its end.
    func answer() throws(Failure) -> [UInt8] {
        var answer: [UInt8] = []
        withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 1) { room in
            while true {
                let count = read(readEnd, room.baseAddress, room.count)
                guard count > 0 else { break }
                answer += room[..<count]
            }
        }
        close(readEnd)
        var status: Int32 = 0
        while waitpid(identifier, &status, 0) < 0, errno == EINTR {}
        guard status == 0 else { throw .ended(status: status) }
        return answer
    }
}
