import Foundation

/// A pseudoterminal, on Linux, for whoever has to be asked.
public struct Terminal {
    private let end: FileHandle
    /// What the asking program has for its input.
    public let otherEnd: FileHandle

    public init() throws {
        // As tty_ioctl(4) has it: unlock, then ask for the number of the other side.
        let descriptor = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        guard descriptor >= 0 else { throw POSIXError(.ENOTTY) }
        end = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        var (isLocked, number): (Int32, Int32) = (0, 0)
        guard ioctl(descriptor, 0x4004_5431, &isLocked) == 0, ioctl(descriptor, 0x8004_5430, &number) == 0 else {
            throw POSIXError(.ENOTTY)
        }
        let other = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
        guard other >= 0 else { throw POSIXError(.ENOTTY) }
        otherEnd = FileHandle(fileDescriptor: other, closeOnDealloc: true)
    }

    /// Types a line, which the terminal keeps until somebody reads it.
    public func type(_ text: String) throws { try end.write(contentsOf: Data((text + "\n").utf8)) }
}
