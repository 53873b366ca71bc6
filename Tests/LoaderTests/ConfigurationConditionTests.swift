import Loading
import Testing

@testable import Loader

@Suite struct ConfigurationConditionTests {
    @Test("a route's condition is read in the file and in a variable, and what becomes of filtered messages beside it")
    func ways() throws {
        let file = completeYAML + "\n    where: status != 'it''s' and amount >= 10\n    on_filtered: keep"
        let route = try read(file).loading.routes[0]
        #expect(route.condition?.text == "status != 'it''s' and amount >= 10")
        #expect(route.onFiltered == .keep)
        let variable = ["LOADER_ROUTES_0_WHERE": "$headers.type = 'order'"]
        #expect(try read(completeYAML, environment: variable).loading.routes[0].condition?.sources == [.header("type")])
        #expect(try read(completeYAML).loading.routes[0].condition == nil)
    }

    @Test("a mistake in a condition is told with the text and a caret below the place")
    func caret() throws {
        let problem = try #require(try mistakes(completeYAML + "\n    where: status = paid and x = 1").first)
        #expect(problem.path == "routes[0].where")
        #expect(problem.message.contains("texts stand in single quotes"))
        #expect(problem.mend == "Mend it at the caret:\nstatus = paid and x = 1\n         ^")
        let unknown = try #require(try mistakes(completeYAML + "\n    where: x = 1 or $header.type = 'a'").first)
        #expect(unknown.mend.hasSuffix("\nx = 1 or $header.type = 'a'\n         ^"))
    }

    @Test("a rate is messages a second or a minute, and nothing else")
    func throttle() throws {
        func rate(_ text: String) throws -> Double? {
            try read(completeYAML + "\n    throttle: \(text)").loading.routes[0].throttle?.messagesPerSecond
        }
        #expect(try rate("5000/s") == 5000)
        #expect(try rate("30/m") == 0.5)
        for text in ["0/s", "5000", "5/h", "-1/s", "99999999/s"] {
            #expect(try mistakes(completeYAML + "\n    throttle: \(text)").map(\.path) == ["routes[0].throttle"])
        }
    }
}
