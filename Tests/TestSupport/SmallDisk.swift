import Foundation
import Synchronization

/// A file system of a few megabytes, for a tablespace that can be filled up. It needs Linux and the right to mount.
///
/// A small shell mounts it and waits. When the test process is gone, however it went, the shell takes the mount away.
public final class SmallDisk: Sendable {
    /// The mount point: an empty directory that PostgreSQL may write to.
    public let path: String
    private let supervisor: Mutex<Supervisor>

    private struct Supervisor: ~Copyable {
        let process: Process
        let leash: FileHandle
    }

    /// - Returns: nil where nothing may be mounted.
    public init?(megabytes: Int) throws {
        let directory = NSTemporaryDirectory() + "loader-disk-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        path = directory + "/mount"
        let process = Process()
        let leash = Pipe()
        let answers = Pipe()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = ["-c", Self.script, "sh", directory, "\(megabytes)m"]
        process.standardInput = leash
        process.standardOutput = answers
        process.standardError = FileHandle.nullDevice
        // A child of another test must not keep the pipe open beyond the test process.
        _ = fcntl(leash.fileHandleForWriting.fileDescriptor, F_SETFD, FD_CLOEXEC)
        try process.runWithoutBlockedSignals()
        let isMounted = !answers.fileHandleForReading.availableData.isEmpty
        supervisor = Mutex(Supervisor(process: process, leash: leash.fileHandleForWriting))
        guard isMounted else { return nil }
    }

    deinit {
        supervisor.withLock { supervisor in
            try? supervisor.leash.close()
            supervisor.process.waitUntilExit()
        }
    }

    private static let script = """
        trap "" PIPE
        directory=$1
        mkdir "$directory" && mkdir -m 700 "$directory/mount" &&
            mount -t tmpfs -o "size=$2,mode=700" tmpfs "$directory/mount" && {
            [ "$(id -u)" -ne 0 ] || chown postgres "$directory/mount"
            echo mounted
            read -r line
            # Lazily: the server may still have files open.
            umount -l "$directory/mount"
        }
        rmdir "$directory/mount" "$directory"
        """
}
