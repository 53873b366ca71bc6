import CLibPQ

/// The libpq this program runs with. (Not called `Postgres`: a type with its module's name would hide the module.)
public enum PostgresLibrary {
    /// libpq's version for people, e.g. `15.10`.
    public static let versionString: String = {
        let version = PQlibVersion()
        // Since 10 the number is major × 10000 + minor.
        return "\(version / 10000).\(version % 10000)"
    }()
}
