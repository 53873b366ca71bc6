import Foundation
import Testing

@testable import Loader

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// The page as it is sent, without a browser.
@Suite("Status page's source") struct StatusPageSourceTests {
    private let page = StatusPage.html(nonce: "bm9uY2U=")

    /// The page without the insides of its script and its style.
    private var markup: String {
        page.replacing(/(<script[^>]*>)[\s\S]*?<\/script>/) { "\($0.1)</script>" }
            .replacing(/(<style[^>]*>)[\s\S]*?<\/style>/) { "\($0.1)</style>" }
    }

    private var script: String { page.firstMatch(of: /<script[^>]*>([\s\S]*?)<\/script>/).map { String($0.1) } ?? "" }

    private func values(of attribute: String) -> [String] {
        markup.matches(of: /\s([a-z-]+)="([^"]*)"/).filter { $0.1 == attribute }.map { String($0.2) }
    }

    @Test("every element is closed where it was opened")
    func wellFormed() {
        let void: Set = ["meta", "link", "br", "img", "input", "hr"]
        var open: [String] = []
        for tag in markup.matches(of: /<(\/?)([a-z][a-z0-9]*)((?:\s+[a-z-]+(?:="[^"<]*")?)*)\s*>/) {
            let name = String(tag.2)
            if tag.1.isEmpty {
                if !void.contains(name) { open.append(name) }
            } else {
                #expect(open.popLast() == name)
            }
        }
        #expect(open.isEmpty)
        // Nothing that looks like a tag was passed over.
        let tags = markup.matches(of: /<(\/?)([a-z][a-z0-9]*)((?:\s+[a-z-]+(?:="[^"<]*")?)*)\s*>/).count
        #expect(tags == markup.count { $0 == "<" } - 1, "all but the doctype")
    }

    @Test("each id is there once, and everything that is meant by one is there")
    func ids() {
        let ids = values(of: "id")
        #expect(Set(ids).count == ids.count)
        for id in values(of: "aria-labelledby") { #expect(ids.contains(id)) }
        for match in script.matches(of: /(?:\$|text|show|fill|toned)\("([a-z-]+)"/) {
            #expect(ids.contains(String(match.1)), "\(match.1)")
        }
    }

    @Test("it loads nothing from elsewhere, and nothing in it needs more than its nonce")
    func policy() {
        let strangers = page.matches(of: /https?:\/\/[^"`\s]+/).map { String($0.0) }
        #expect(Set(strangers) == ["http://www.w3.org/2000/svg"])
        #expect(values(of: "style").isEmpty)
        #expect(values(of: "src").isEmpty)
        #expect(markup.firstMatch(of: /\son[a-z]+=/) == nil)
        for forbidden in [
            "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "setAttribute(\"style\"",
        ] {
            #expect(!script.contains(forbidden))
        }
        #expect(page.components(separatedBy: "nonce=\"bm9uY2U=\"").count == 3)
        #expect(!page.contains("{{"))
    }

    @Test("what a screen reader needs is there: a language, headings for tables, names for regions")
    func accessible() {
        #expect(markup.contains("<html lang=\"en\">"))
        #expect(markup.contains("role=\"status\""))
        let headings = markup.matches(of: /<th(\s[^>]*)?>/)
        #expect(headings.count > 10)
        #expect(headings.allSatisfy { $0.0.contains("scope=\"col\"") })
        for region in markup.matches(of: /<(?:section|div)[^>]*(?:role="region"|class="card")[^>]*>/) {
            #expect(region.0.contains("aria-label"), "\(region.0)")
        }
    }

    @Test("the page comes with a policy that lets in its own script and style and nothing else, anew each time")
    func headers() async throws {
        let any = try #require(ListenAddress("127.0.0.1:0"))
        let server = try await HealthServer(listen: any) { ServiceStatus(.init()) }
        defer { Task { await server.stop() } }
        let url = try #require(URL(string: "http://127.0.0.1:\(server.port)/"))
        var nonces: Set<String> = []
        for _ in 0..<2 {
            let (data, response) = try await URLSession.shared.data(from: url)
            let page = String(decoding: data, as: UTF8.self)
            let http = try #require(response as? HTTPURLResponse)
            let policy = try #require(http.value(forHTTPHeaderField: "Content-Security-Policy"))
            let nonce = try #require(policy.firstMatch(of: /script-src 'nonce-([^']+)'/)?.1)
            #expect(policy.hasPrefix("default-src 'none'; "))
            #expect(!policy.contains("unsafe"))
            #expect(page.contains("<script nonce=\"\(nonce)\">"))
            #expect(page.contains("<style nonce=\"\(nonce)\">"))
            #expect(http.value(forHTTPHeaderField: "X-Content-Type-Options") == "nosniff")
            nonces.insert(String(nonce))
        }
        #expect(nonces.count == 2)
    }
}
