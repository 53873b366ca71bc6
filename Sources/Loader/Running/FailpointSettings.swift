import Foundation
import Loading

extension Failpoint {
    /// What the process's environment sets. Empty as a rule.
    static func settings() throws(Mistake) -> [Setting] {
        try parse(ProcessInfo.processInfo.environment["LOADER_FAILPOINTS"] ?? "")
    }
}
