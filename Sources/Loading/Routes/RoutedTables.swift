import Synchronization

/// The routes' tables as they were last read, for all that build rows for them: whoever finds them changed reads them for
/// everybody.
package final class RoutedTables: Sendable {
    package struct Version: Sendable {
        /// Grows with each reading.
        package let number: Int
        /// In the order of the routes.
        package let targets: [Target]
    }

    private let version: Mutex<Version>

    package init(_ targets: [Target]) { version = Mutex(Version(number: 1, targets: targets)) }

    package var current: Version { version.withLock { $0 } }

    /// Puts what was read in the place of what was known. Of two that read at the same time the first counts; what has
    /// changed since is found again.
    ///
    /// - Parameter number: of the version that was found to be old.
    package func replace(_ number: Int, by targets: [Target]) {
        version.withLock { version in
            if version.number == number { version = Version(number: number + 1, targets: targets) }
        }
    }
}
