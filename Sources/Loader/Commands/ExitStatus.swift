import ArgumentParser

/// What the loader's process ends with. The numbers are those of BSD's `sysexits.h`.
enum ExitStatus: Int32, Sendable {
    case done = 0
    /// `verify` has found what is not as it should be.
    case differences = 1
    /// The command line was wrong; ArgumentParser ends with it by itself.
    case usage = 64
    /// What was to be loaded is bad: `dead-letters replay` leaves letters behind.
    case badData = 65
    /// The database or the broker is away, and waiting was refused or took too long.
    case unavailable = 69
    /// A fault of the loader's own.
    case `internal` = 70
    /// The configuration, or what it finds at the target, is wrong.
    case configuration = 78

    var code: ExitCode { ExitCode(rawValue) }
}
