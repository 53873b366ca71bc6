import Foundation

/// The page at `/`. It is one file without anything from elsewhere, and asks `/status.json` every two seconds.
enum StatusPage {
    /// - Parameter nonce: what allows its script and its style, and no others, to the browser.
    static func html(nonce: String) -> String { source.replacing("{{nonce}}", with: nonce) }

    private static let source = String(decoding: PackageResources.StatusPage_html, as: UTF8.self)

    /// 128 random bits.
    static func makeNonce() -> String {
        Data((0..<16).map { _ in UInt8.random(in: .min ... .max) }).base64EncodedString()
    }
}
