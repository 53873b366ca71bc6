import Foundation
import Testing

@Suite("docs/delivery.md")
struct DeliveryPageTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../..").standardized

    @Test("names no test that is not there")
    func tests() throws {
        let page = try String(contentsOf: Self.root.appending(path: "docs/delivery.md"), encoding: .utf8)
        var sources: [String: String] = [:]
        let files = FileManager.default.enumerator(
            at: Self.root.appending(path: "Tests"), includingPropertiesForKeys: nil)
        while let file = files?.nextObject() as? URL {
            guard file.pathExtension == "swift" else { continue }
            sources[file.deletingPathExtension().lastPathComponent] = try String(contentsOf: file, encoding: .utf8)
        }
        let named = page.matches(of: /`([A-Z][A-Za-z]+Tests)\.([A-Za-z]+)`/)
        #expect(named.count > 40)
        for name in named {
            let source = sources[String(name.1)] ?? ""
            #expect(source.contains("func \(name.2)("), "\(name.0)")
        }
    }
}
