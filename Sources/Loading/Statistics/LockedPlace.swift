import Foundation
import Postgres

/// A table, or one of its rows, that another session keeps locked while somebody here waits for it.
public struct LockedPlace: Sendable, Equatable {
    /// `public.orders`, `a row of public.orders`.
    public var place: String
    /// Which session that is: its process, application, user, state and age. No statement.
    public var holder: String
    public var mend: Mend
    /// When it was noticed.
    public var since: Date

    public init(place: String, holder: String, mend: Mend, since: Date) {
        (self.place, self.holder, self.mend, self.since) = (place, holder, mend, since)
    }

    init(_ wait: LockWait, since: Date) {
        self.init(place: wait.place, holder: wait.who, mend: wait.mend, since: since)
    }
}
