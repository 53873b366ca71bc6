import Foundation
import FuzzTargets

/// The target that the environment names.
private let target = ProcessInfo.processInfo.environment["FUZZ_TARGET"].flatMap { FuzzTarget(rawValue: $0) }

private func giveUp() -> Never {
    let names = FuzzTarget.allCases.map(\.rawValue).joined(separator: ", ")
    FileHandle.standardError.write(Data("FUZZ_TARGET must be one of \(names)\n".utf8))
    exit(64)
}

#if LIBFUZZER
    // libFuzzer brings a `main` of its own: FUZZ_TARGET=protobuf fuzz -max_total_time=300 CORPUS

    /// The inputs to begin with go where the others are kept.
    @_cdecl("LLVMFuzzerInitialize")
    public func initialize(
        _ count: UnsafeMutablePointer<CInt>,
        _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
    ) -> CInt {
        guard let target else { giveUp() }
        let words = (1..<max(1, Int(count.pointee))).compactMap { arguments.pointee[$0].map { String(cString: $0) } }
        guard let directory = words.first(where: { !$0.hasPrefix("-") }) else { return 0 }
        for (number, input) in target.corpus.enumerated() {
            _ = FileManager.default.createFile(atPath: "\(directory)/seed-\(number)", contents: Data(input))
        }
        return 0
    }

    @_cdecl("LLVMFuzzerTestOneInput")
    public func tryOne(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
        target?.run(UnsafeRawBufferPointer(start: bytes, count: count))
        return 0
    }
#else
    /// Only `scripts/fuzz` builds the program with libFuzzer in it; otherwise it tries files once, to see again what one of
    /// them has brought about.
    @main
    enum Fuzz {
        static func main() {
            guard let target else { giveUp() }
            for path in CommandLine.arguments.dropFirst() where !path.hasPrefix("-") {
                FileManager.default.contents(atPath: path)?.withUnsafeBytes { target.run($0) }
            }
        }
    }
#endif
