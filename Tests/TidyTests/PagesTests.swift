import Foundation
import Testing

/// What the pages name is there.
@Suite("The pages")
struct PagesTests {
    /// `Type.member` in code font, with what stands behind it in brackets left out.
    private static func names(in page: SourceFile) -> [(type: String, member: String?)] {
        var names: [(String, String?)] = []
        for line in page.text.split(separator: "\n") {
            // What stands between two backticks is every other piece.
            let pieces = line.split(separator: "`", omittingEmptySubsequences: false)
            for place in stride(from: 1, to: pieces.count, by: 2) {
                let parts = pieces[place].prefix { $0 != "(" && $0 != ":" }.split(separator: ".")
                guard let type = parts.first, type.first?.isUppercase ?? false, parts.count < 3,
                    parts.allSatisfy({ $0.allSatisfy { $0.isLetter || $0.isNumber } })
                else { continue }
                names.append((String(type), parts.count == 2 ? String(parts[1]) : nil))
            }
        }
        return names
    }

    @Test("name no test that is not there")
    func tests() throws {
        var tests: [String: Set<String>] = [:]
        for file in try SourceTree.tests.get() {
            tests[file.subject, default: []].formUnion(Declaration.all(in: file).map(\.name))
            // The targets by their folders.
            tests[String(file.path.split(separator: "/")[1]), default: []].formUnion([])
        }
        var count = 0
        for page in try SourceTree.pages.get() {
            for (type, member) in Self.names(in: page) where type.hasSuffix("Tests") && type.count > 5 {
                count += 1
                let known = tests[type]
                let isThere = known.map { member == nil || $0.contains(member ?? "") } ?? false
                #expect(isThere, "\(page.path): \(type).\(member ?? "")")
            }
        }
        #expect(count > 100)
    }

    @Test("name no symbol that is not there")
    func symbols() throws {
        var types: Set<String> = []
        var members: Set<String> = []
        for file in try SourceTree.sources.get() {
            for declaration in Declaration.all(in: file) {
                if Declaration.types.contains(declaration.keyword) { types.insert(declaration.name) }
                members.insert(declaration.name)
            }
            for line in file.lines where line.words.first == "case" { members.formUnion(line.words.dropFirst()) }
        }
        var count = 0
        for page in try SourceTree.pages.get() {
            // What is another's is not ours to know.
            for case (let type, let member?) in Self.names(in: page) where types.contains(type) {
                count += 1
                #expect(members.contains(member) || types.contains(member), "\(page.path): \(type).\(member)")
            }
        }
        #expect(count > 30)
    }

    @Test("say of each invariant where it is, what breaks without it, and where it is asserted or why it is not")
    func invariants() throws {
        let page = try #require(try SourceTree.pages.get().first { $0.path == "docs/invariants.md" })
        let entries = page.text.split(separator: "\n\n").filter { $0.contains("\n- Where: ") }
        #expect(entries.count > 30)
        for entry in entries {
            let lines = entry.split(separator: "\n").filter { $0.hasPrefix("- ") }
            #expect(lines.map { $0.prefix { $0 != ":" } } == ["- Where", "- Without it", "- Asserted"], "\(entry)")
        }
        let file = try #require(try SourceTree.sources.get().first { $0.name == "InvariantViolation.swift" })
        let codes = file.lines.filter { $0.words.first == "case" }.map { $0.texts.first ?? $0.words[1] }
        #expect(codes.count > 10)
        for code in codes { #expect(page.text.contains("`\(code)`"), "\(code) is of no invariant") }
    }

    @Test("link to nothing that is not there")
    func links() throws {
        for page in try SourceTree.pages.get() {
            let folder = SourceTree.root.appending(path: page.path).deletingLastPathComponent()
            for link in Self.links(in: page.text) where !link.contains("://") && !link.hasPrefix("mailto:") {
                let parts = link.split(separator: "#", omittingEmptySubsequences: false)
                let target =
                    parts[0].isEmpty ? SourceTree.root.appending(path: page.path) : folder.appending(path: parts[0])
                guard FileManager.default.fileExists(atPath: target.path()) else {
                    Issue.record("\(page.path) links to \(link)")
                    continue
                }
                guard parts.count == 2, target.pathExtension == "md" else { continue }
                let anchors = Self.anchors(of: try String(contentsOf: target, encoding: .utf8))
                #expect(anchors.contains(String(parts[1])), "\(page.path) links to \(link)")
            }
        }
    }

    private static func links(in text: String) -> [Substring] {
        text.split(separator: "](").dropFirst().compactMap { rest in
            let link = rest.prefix { $0 != ")" && $0 != " " && $0 != "\n" }
            return link.endIndex < rest.endIndex && rest[link.endIndex] == ")" ? link : nil
        }
    }

    /// As the usual forge makes them of headings.
    private static func anchors(of page: String) -> Set<String> {
        var isInCode = false
        var anchors: Set<String> = []
        for line in page.split(separator: "\n") {
            if line.hasPrefix("```") { isInCode.toggle() }
            guard !isInCode, line.hasPrefix("#") else { continue }
            let heading = line.drop { $0 == "#" }.drop { $0 == " " }.lowercased()
            let kept = heading.map { $0 == " " ? "-" : $0 }.filter {
                $0.isLetter || $0.isNumber || $0 == "-" || $0 == "_"
            }
            anchors.insert(String(kept))
        }
        return anchors
    }
}
