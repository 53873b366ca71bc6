import Dispatch

/// Runs the cases' tasks on threads that may wait.
///
/// Cases call blocking functions (queries, flushes, admin calls) all the time. On Swift's own pool, which has a thread a
/// core, two cases that wait would hold up everything else. Dispatch adds threads where some wait.
final class CaseExecutor: TaskExecutor {
    private let queue = DispatchQueue(label: "cases", attributes: .concurrent)

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
