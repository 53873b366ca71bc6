import Foundation
import Testing

@testable import Loader

@Suite struct ConfigurationReferenceTests {
    @Test("docs/configuration.md is what `loader config --reference` prints")
    func page() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(contentsOf: root.appending(path: "docs/configuration.md"), encoding: .utf8)
        #expect(page == ConfigurationReference.page, "run: loader config --reference > docs/configuration.md")
    }

    @Test("the README's table of keys is the one in docs/configuration.md")
    func readme() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let readme = try String(contentsOf: root.appending(path: "README.md"), encoding: .utf8)
        #expect(readme.contains(ConfigurationReference.table))
    }

    @Test("no two keys share a path or a variable")
    func unique() {
        let keys = ConfigurationKey.all
        #expect(Set(keys.map(\.path)).count == keys.count)
        let variables = keys.map(\.pattern.variable) + keys.flatMap { $0.aliases.map(\.name) }
        #expect(Set(variables).count == variables.count)
    }

    @Test("every key's own variable and path lead back to it")
    func roundTrip() {
        for key in ConfigurationKey.all {
            let typed = key.path.replacing("[]", with: ".3").replacing("<property>", with: "a.b").replacing(
                "<column>", with: "c")
            let read = ConfigurationEnvironment.read(assignments: ["\(typed)=x"])
            #expect(read.settings.first.flatMap { ConfigurationKey.of($0.path)?.path } == key.path)
            #expect(read.problems.isEmpty)
            guard !key.path.contains("<column>") else { continue }
            let variable = key.pattern.variable.replacing("<n>", with: "3").replacing("<PROPERTY>", with: "A_B")
            let settings = ConfigurationEnvironment.read([variable: "x"]).settings
            #expect(settings.map { $0.path } == read.settings.map { $0.path })
        }
    }

    @Test("every key says what it does and has a default, is required, or says what holds otherwise")
    func documented() {
        for key in ConfigurationKey.all {
            #expect(key.summary.hasSuffix("."))
            #expect(key.isRequired || key.defaultText != nil || !key.otherwise.isEmpty)
        }
    }

    @Test("the examples of the page are configurations without a mistake")
    func examples() throws {
        let yaml = try #require(ConfigurationReference.page.firstMatch(of: /```yaml\n([\s\S]*?)```/)).1
        #expect(try read(String(yaml)).loading.routes.count == 1)

        let shell = try #require(ConfigurationReference.page.firstMatch(of: /```sh\n([\s\S]*?)```/)).1
        let pairs = shell.matches(of: /([A-Z_]+)=(\S+)/).map { (String($0.1), String($0.2)) }
        let environment = Dictionary(uniqueKeysWithValues: pairs)
        #expect(try read(nil, environment: environment).loading.routes.first?.mode == .upsert)
    }
}
