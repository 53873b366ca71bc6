import Testing

@testable import Loader

@Suite struct SubstitutionTests {
    let substitution = Substitution(
        environment: ["USER": "ada", "EMPTY": "", "ODD": "a: [b} # ${USER}", "SECRETS": "/run/secrets"],
        readFile: { ["/run/secrets/pg": "s3cret\n", "/two": "a\n\n", "/windows": "x\r\n"][$0] })

    @Test(
        "variables, defaults and files are put in, and nothing else is touched",
        arguments: [
            ("plain", "plain"), ("${USER}", "ada"), ("a-${USER}-b", "a-ada-b"), ("${EMPTY}", ""), ("${EMPTY:-x}", "x"),
            ("${NONE:-x}", "x"), ("${NONE:-}", ""), ("${NONE:-${USER}}!", "ada!"), ("${USER:-x}", "ada"),
            ("${KAFKA:-localhost:9092}", "localhost:9092"), ("${file:/run/secrets/pg}", "s3cret"),
            ("${file:/two}", "a\n"), ("${file:/windows}", "x"), ("$value", "$value"), ("$headers.x", "$headers.x"),
            ("$$name", "$$name"), ("$${USER}", "${USER}"), ("$$${USER}", "$${USER}"), ("cost: 5$", "cost: 5$"),
            ("${ODD}", "a: [b} # ${USER}"), ("${file:${SECRETS}/pg}!", "s3cret!"),
            ("${file:${NONE:-/run}/secrets/pg}", "s3cret"),
        ])
    func replaces(written: String, expected: String) {
        let result = substitution.apply(written)
        #expect(result.text == expected)
        #expect(result.mistakes.isEmpty)
    }

    @Test(
        "what cannot be put in is named",
        arguments: [
            ("${NONE}", "NONE"), ("${file:/nope}", "/nope"), ("${USER", "closing brace"), ("${}", "${}"),
            ("${USER-x}", "${USER-x}"), ("${a b}", "${a b}"), ("${1}", "${1}"), ("${NONE:-${OTHER}}", "OTHER"),
            ("${file:${NONE}/pg}", "NONE"), ("${file:${SECRETS}/nope}", "/run/secrets/nope"),
        ])
    func names(written: String, part: String) throws {
        let result = substitution.apply(written)
        try #require(result.mistakes.count == 1)
        #expect(result.mistakes[0].message.contains(part))
        #expect(result.mistakes[0].code == .unresolvedSubstitution)
    }

    @Test("all of a text's mistakes are found at once")
    func allAtOnce() {
        #expect(substitution.apply("${A} ${B} ${file:/c}").mistakes.count == 3)
    }
}
