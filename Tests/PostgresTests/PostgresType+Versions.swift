@testable import Postgres

extension PostgresType {
    /// Whether the server has it: before PostgreSQL 15 no scale was negative or larger than the precision.
    func isKnown(to connection: Connection) -> Bool {
        guard name == "numeric", let limits = NumericLimits(modifier: modifier) else { return true }
        return (0...limits.precision).contains(limits.scale) || connection.serverVersion >= 150000
    }
}
