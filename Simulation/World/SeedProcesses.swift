import Foundation

/// Does something for each of many seeds, in processes of their own, so many at a time.
struct SeedProcesses {
    let jobs: Int

    /// - Parameters:
    ///   - body: what each process does; nothing of this one is changed by it.
    ///   - answered: told of each as it ends; false: no more are begun.
    func run<Seed>(
        _ seeds: some Sequence<Seed>, _ body: (Seed) -> [UInt8],
        answered: (Seed, Result<[UInt8], SeedProcess.Failure>) throws -> Bool
    ) throws {
        var left = seeds.makeIterator()
        var isEnding = false
        var working: [(seed: Seed, process: SeedProcess)?] = Array(repeating: nil, count: max(1, jobs))
        while true {
            for slot in working.indices where working[slot] == nil && !isEnding {
                guard let seed = left.next() else { break }
                working[slot] = (seed, try SeedProcess(slot: slot) { body(seed) })
            }
            guard let slot = Self.first(of: working.map { $0?.process }), let (seed, process) = working[slot] else {
                return
            }
            working[slot] = nil
            let answer = Result { () throws(SeedProcess.Failure) in try process.answer() }
            if try !answered(seed, answer) { isEnding = true }
        }
    }

    /// Waits for the first to answer.
    private static func first(of processes: [SeedProcess?]) -> Int? {
        let places = processes.indices.filter { processes[$0] != nil }
        var files = places.map { pollfd(fd: processes[$0]?.readEnd ?? -1, events: Int16(POLLIN), revents: 0) }
        guard !files.isEmpty else { return nil }
        while poll(&files, nfds_t(files.count), -1) < 0, errno == EINTR {}
        return files.firstIndex { $0.revents != 0 }.map { places[$0] }
    }
}
