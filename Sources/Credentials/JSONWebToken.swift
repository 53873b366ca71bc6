import Foundation

/// What a token says of itself, if it is a JSON Web Token (RFC 7519). Nobody here checks its signature: that is for who takes it.
struct JSONWebToken {
    var expires: Date?
    /// When it was given out.
    var issued: Date?
    var subject: String?

    private struct Claims: Decodable {
        var exp: Double?
        var iat: Double?
        var sub: String?

        private enum CodingKeys: CodingKey { case exp, iat, sub }

        init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            exp = (try? fields.decode(Double.self, forKey: .exp)).flatMap(Self.sensible)
            iat = (try? fields.decode(Double.self, forKey: .iat)).flatMap(Self.sensible)
            sub = try? fields.decode(String.self, forKey: .sub)
        }

        /// In the years that calendars know.
        private static func sensible(_ seconds: Double) -> Double? {
            (0...253_402_300_799).contains(seconds) ? seconds : nil
        }
    }

    /// - Returns: nil for what is none: tokens need not be readable.
    init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let bytes = Data(base64URL: parts[1]),
            let claims = try? JSONDecoder().decode(Claims.self, from: bytes)
        else { return nil }
        expires = claims.exp.map { Date(timeIntervalSince1970: $0) }
        issued = claims.iat.map { Date(timeIntervalSince1970: $0) }
        subject = claims.sub
    }
}

extension Data {
    /// RFC 4648, 5, without padding.
    var base64URL: String {
        base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }

    /// With padding or without.
    init?(base64URL text: some StringProtocol) {
        var base64 = String(text).replacing("-", with: "+").replacing("_", with: "/").replacing("=", with: "")
        base64 += String(repeating: "=", count: (4 - base64.utf8.count % 4) % 4)
        self.init(base64Encoded: base64)
    }
}
