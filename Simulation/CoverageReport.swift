import ArgumentParser
import Foundation

/// What of the code that decides was run, of what `llvm-cov export` says.
struct CoverageReport: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coverage", abstract: "Says which branches of the code that decides no story has taken.",
        discussion:
            "It reads what `llvm-cov export` writes, from its standard input; scripts/simulate --coverage does all of it."
    )

    @Argument(help: "Files of the code that decides, by the ends of their paths.")
    var files: [String]

    private struct Export: Decodable {
        var data: [Part]
        struct Part: Decodable { var functions: [Function] }
        struct Function: Decodable {
            var filenames: [String]
            /// Line, column, end's line, end's column, count, file, expanded file, kind.
            var regions: [[Int]]
        }
    }

    private struct Region: Hashable, Comparable {
        var line: Int
        var column: Int
        var endLine: Int
        var endColumn: Int

        static func < (a: Region, b: Region) -> Bool { (a.line, a.column) < (b.line, b.column) }
    }

    func run() throws {
        let export = try JSONDecoder().decode(Export.self, from: FileHandle.standardInput.readDataToEndOfFile())
        var counts: [String: [Region: Int]] = [:]
        for function in export.data.flatMap(\.functions) {
            for region in function.regions where region.count >= 8 && region[7] == 0 {
                let path = function.filenames[region[5]]
                guard let file = files.first(where: { path.hasSuffix("/" + $0) }) else { continue }
                let place = Region(line: region[0], column: region[1], endLine: region[2], endColumn: region[3])
                // Generic functions and closures are there more than once.
                counts[file, default: [:]][place, default: 0] += region[4]
            }
        }
        var (all, taken) = (0, 0)
        print("| File | Branches | Taken | Never taken, by line |")
        print("|---|---:|---:|---|")
        for file in files {
            guard let regions = counts[file] else { throw ValidationError("nothing is known of \(file)") }
            let missed = regions.filter { $0.value == 0 }.keys.sorted()
            (all, taken) = (all + regions.count, taken + regions.count - missed.count)
            let name = file.split(separator: "/").last.map(String.init) ?? file
            let lines = missed.map { "\($0.line)" }.joined(separator: ", ")
            print("| `\(name)` | \(regions.count) | \(regions.count - missed.count) | \(lines) |")
        }
        print("| all | \(all) | \(taken) | |")
        for file in files {
            for region in (counts[file] ?? [:]).filter({ $0.value == 0 }).keys.sorted() { show(region, of: file) }
        }
    }

    /// To the standard error, so that the table can be put into a page.
    private func show(_ region: Region, of file: String) {
        guard let text = try? String(contentsOfFile: file, encoding: .utf8) else { return }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.indices.contains(region.line - 1) else { return }
        let line = lines[region.line - 1].trimmingCharacters(in: .whitespaces)
        FileHandle.standardError.write(Data("\(file):\(region.line):\(region.column): \(line)\n".utf8))
    }
}
