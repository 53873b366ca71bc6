import Foundation
import Testing

@testable import Credentials

@Suite("Tokens in a file")
struct FileTokensTests {
    @Test("are read anew each time, and end when they say so, or else after a minute")
    func rewritten() throws {
        let exp = Date().addingTimeInterval(1000).timeIntervalSince1970.rounded()
        let file = try TemporaryFile(" \(readableToken(["exp": exp, "sub": "system:serviceaccount:a:b"]))\n")
        let now = Date()
        let source = FileTokens(path: file.path) { now }
        let first = try source.fetch { false }
        #expect(first.expires == Date(timeIntervalSince1970: exp))
        #expect(first.principal == "system:serviceaccount:a:b")
        try file.write("opaque\n")
        #expect(try source.fetch { false } == Token("opaque", expires: now.addingTimeInterval(60)))
    }

    @Test(
        "one that has ended, an empty file, none, and what is no token are each told for what they are, without a word of it"
    )
    func failures() throws {
        let file = try TemporaryFile(readableToken(["exp": 1]))
        let source = FileTokens(path: file.path)
        #expect(whyNone(of: source)?.words == "the token in it has ended")
        for (text, words) in [
            ("", "it cannot be read, or is empty"), ("\n", "it is empty"),
            ("s3cret and more", "what is in it is no token"),
            (String(repeating: "s3cret", count: 1 << 18), "it is too large for a secret"),
        ] {
            try file.write(text)
            let failure = whyNone(of: source)
            #expect(failure?.code == .unusable && failure?.words == words)
            #expect(failure?.place == "the file \(file.path)")
        }
        let none = whyNone(of: FileTokens(path: "/no/such/file"))
        #expect(none?.code == .unusable && none?.words == "it cannot be read: No such file or directory")
    }
}
