import Testing
import Web

@Suite("Hosts of this machine's own")
struct LocalHostTests {
    @Test(
        "loopback is loopback, however it is written, and nothing else is",
        arguments: [
            ("localhost", true), ("LOCALHOST", true), ("127.0.0.1", true), ("127.255.0.9", true), ("[::1]", true),
            ("::1", true), ("localhost.example.com", false), ("127.0.0.1.example.com", false), ("128.0.0.1", false),
            ("127.1", false), ("0x7f.0.0.1", false), ("[::2]", false), ("", false), ("[", false),
            ("example.com", false),
        ])
    func loopback(host: String, isLoopback: Bool) { #expect(LocalHost.isLoopback(host) == isLoopback) }

    @Test(
        "link-local is what no router passes on",
        arguments: [
            ("169.254.169.254", true), ("169.254.170.2", true), ("[fe80::1]", true), ("[febf::1]", true),
            ("[fec0::1]", false), ("169.255.0.1", false), ("10.0.0.1", false), ("metadata", false), ("", false),
        ])
    func linkLocal(host: String, isLinkLocal: Bool) { #expect(LocalHost.isLinkLocal(host) == isLinkLocal) }
}
