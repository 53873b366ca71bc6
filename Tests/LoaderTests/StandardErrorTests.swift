import Foundation
import Testing

@testable import Loader

@Suite struct StandardErrorTests {
    @Test("on a terminal a log line goes above the progress line, which comes back; elsewhere there is none")
    func progressBelow() throws {
        let terminal = try PseudoTerminal()
        let output = StandardError(descriptor: terminal.line, canRedraw: true)
        #expect(output.isTerminal)
        output.show(progress: "10%")
        output.write(line: "event")
        output.show(progress: "10%")
        output.show(progress: "20%")
        output.show(progress: "")
        output.write(line: "end")
        let clear = TerminalCode.clearLine
        // The terminal itself turns a line feed into two characters.
        let expected = "\(clear)10%\(clear)event\r\n10%\(clear)20%\(clear)end\r\n"
        #expect(terminal.read(count: expected.utf8.count) == expected)

        let pipe = Pipe()
        let plain = StandardError(descriptor: pipe.fileHandleForWriting.fileDescriptor)
        plain.show(progress: "10%")
        plain.write(line: "event")
        try pipe.fileHandleForWriting.close()
        #expect(pipe.fileHandleForReading.readDataToEndOfFile() == Data("event\n".utf8))
    }

    @Test("a reader that has gone is no reason to stop")
    func closed() throws {
        signal(SIGPIPE, SIG_IGN)
        let pipe = Pipe()
        let output = StandardError(descriptor: pipe.fileHandleForWriting.fileDescriptor)
        try pipe.fileHandleForReading.close()
        output.write(line: "nobody reads this")
    }
}

/// A terminal with a test in front of it, on Linux.
private final class PseudoTerminal {
    struct Unavailable: Error {}

    private let controller: Int32
    let line: Int32

    init() throws {
        // As tty_ioctl(4) has it: unlock, then ask for the number of the other side.
        controller = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        var isLocked: Int32 = 0
        var number: Int32 = 0
        guard controller >= 0, ioctl(controller, 0x4004_5431, &isLocked) == 0,
            ioctl(controller, 0x8004_5430, &number) == 0
        else { throw Unavailable() }
        line = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
        guard line >= 0 else { throw Unavailable() }
    }

    deinit {
        close(line)
        close(controller)
    }

    /// Reads until so many bytes are there.
    func read(count: Int) -> String {
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1024)
        while text.count < count {
            let got = Foundation.read(controller, &buffer, buffer.count)
            guard got > 0 else { break }
            text += buffer.prefix(got)
        }
        return String(decoding: text, as: UTF8.self)
    }
}
