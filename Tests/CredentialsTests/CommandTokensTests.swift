import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Credentials

@Suite("Tokens that a program prints")
struct CommandTokensTests {
    private func shell(_ script: String, within patience: Duration = .seconds(120)) -> CommandTokens {
        CommandTokens(["/bin/sh", "-c", script], patience: patience)
    }

    @Test("are the whole of what it prints, or what that says, and its arguments are passed as they are")
    func outputs() throws {
        #expect(try shell("echo; echo ' bare '").fetch { false } == Token("bare"))
        let odd = CommandTokens(["/bin/sh", "-c", "test \"$1\" = '$HOME; *' && echo same", "sh", "$HOME; *"])
        #expect(try odd.fetch { false }.text == "same")
        let said = try shell(
            #"echo '{"token": "one", "expires_at": "2126-01-02T03:04:05.250Z", "principal": "me", "more": 1}'"#
        ).fetch { false }
        #expect(said.text == "one" && said.principal == "me")
        #expect(said.expires?.timeIntervalSince1970 == 4_922_996_645.25)
        #expect(
            try shell(#"echo '{"token": "one", "expires_at": 4922996645}'"#).fetch { false }.expires
                == Date(timeIntervalSince1970: 4_922_996_645))
        let readable = readableToken(["exp": 4_922_996_645, "sub": "app"])
        let expected = Token(readable, expires: Date(timeIntervalSince1970: 4_922_996_645), principal: "app")
        #expect(try shell("echo \(readable)").fetch { false } == expected)
        #expect(try shell("printf '{\"token\": \"\(readable)\"}'").fetch { false } == expected)
    }

    @Test("a program that fails, is none, prints none or an ended one is told for what it is, and not what it printed")
    func failures() throws {
        for (script, code, words) in [
            ("echo s3cret; echo s3cret >&2; exit 3", CredentialFailure.Code.refused, "exit status 3"),
            ("exit 75", .away, "exit status 75"), ("kill -9 $$", .refused, "ended by signal 9"),
            ("true", .unusable, "what it prints is no token"),
            ("echo s3cret s3cret", .unusable, "what it prints is no token"),
            ("echo '{\"s3cret\": 1}'", .unusable, "what it prints names no token"),
            ("echo '{\"token\": \"s3cret\", \"expires_at\": \"soon\"}'", .unusable, "what it prints names no token"),
            ("echo '{\"token\": \"s3cret\", \"expires_at\": 1}'", .unusable, "the token that it prints has ended"),
            ("yes s3cret", .unusable, "it prints too much for a token"),
        ] {
            let failure = try #require(whyNone(of: shell(script)))
            #expect(failure.code == code && failure.words == words, "\(script)")
            #expect(failure.place == "the command /bin/sh")
            #expect(!"\(failure) \(failure.mend)".contains("s3cret"))
        }
        #expect(whyNone(of: shell("echo one >&2; echo the last line >&2; exit 1"))?.detail == "the last line")
        let none = whyNone(of: CommandTokens(["/no/such/program"]))
        #expect(none?.code == .unusable && none?.words == "it cannot be started: No such file or directory")
    }

    @Test("a program that hangs is ended in time, with all that it has started")
    func hanging() async throws {
        let file = try TemporaryFile("")
        // One in the background that holds its output open, and one in the foreground.
        let source = shell("echo $$ > \(file.path); sleep 1000 & exec sleep 1000", within: .milliseconds(300))
        let failure = try #require(whyNone(of: source))
        #expect(failure.code == .away)
        let text = try String(contentsOfFile: file.path, encoding: .utf8).trimmingCharacters(
            in: .whitespacesAndNewlines)
        // The machine may be too slow for the script to have begun.
        if let group = pid_t(text) {
            try await eventually("the whole group is gone") { kill(-group, 0) != 0 }
        }
        let isAsked = Mutex(false)
        let given = shell("sleep 1000")
        #expect(throws: CredentialFailure.self) {
            try given.fetch {
                isAsked.withLock { isAsked in
                    defer { isAsked = true }
                    return isAsked
                }
            }
        }
    }

    @Test("one that leaves something behind in the background is not waited for longer than for itself")
    func background() throws {
        #expect(try shell("sleep 1000 & echo one").fetch { false }.text == "one")
    }

    @Test("what the loader prints about it holds no argument")
    func arguments() {
        var dumped = ""
        let source = CommandTokens(["program", "--password=s3cret"])
        dump(source, to: &dumped)
        #expect(!"\(source.place) \(dumped)".contains("s3cret"))
    }
}
