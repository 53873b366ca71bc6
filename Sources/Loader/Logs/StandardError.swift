import Foundation
import Synchronization

/// The process's stderr: whole lines, each in one write, and at most one progress line that stays below them.
final class StandardError: Sendable {
    static let shared = StandardError(
        descriptor: STDERR_FILENO, canRedraw: ProcessInfo.processInfo.environment["TERM"] != "dumb")

    let descriptor: Int32
    let isTerminal: Bool
    private let canRedraw: Bool
    /// What stands on the terminal's last line now.
    private let progress = Mutex("")

    /// - Parameter canRedraw: false for a terminal that cannot clear a line.
    init(descriptor: Int32, canRedraw: Bool = true) {
        self.descriptor = descriptor
        isTerminal = isatty(descriptor) == 1
        self.canRedraw = isTerminal && canRedraw
    }

    /// The terminal's width in columns.
    var width: Int {
        var size = winsize()
        return ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
    }

    /// Writes one line above the progress line.
    func write(line: String) {
        progress.withLock { progress in
            put(progress.isEmpty ? line + "\n" : TerminalCode.clearLine + line + "\n" + progress)
        }
    }

    /// Shows the progress line, or takes it away; elsewhere than on a terminal it is never shown.
    func show(progress line: String) {
        guard canRedraw else { return }
        progress.withLock { progress in
            guard line != progress else { return }
            put(TerminalCode.clearLine + line)
            progress = line
        }
    }

    /// One `write(2)`, so that lines of several processes do not mix; what a full pipe leaves over follows.
    private func put(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty {
                let count = Foundation.write(descriptor, rest.baseAddress, rest.count)
                if count > 0 {
                    rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                } else if errno != EINTR {
                    return  // nobody reads stderr any more, and there is nowhere else to say it
                }
            }
        }
    }
}

/// ECMA-48 control sequences.
enum TerminalCode {
    static let clearLine = "\r\u{1B}[K"
    static let clearScreen = "\u{1B}[H\u{1B}[2J"
    static let reset = "\u{1B}[0m"
    static let dim = "\u{1B}[2m"
    static let red = "\u{1B}[31m"
    static let green = "\u{1B}[32m"
    static let yellow = "\u{1B}[33m"
    static let blue = "\u{1B}[34m"
}
