/// A region of AWS that is wanted: one that somebody has named, or that of these hosts.
public struct AWSRegion: Sendable, Equatable {
    public var named: String?
    public var hosts: [String]

    /// - Parameters:
    ///   - named: by the loader's configuration, before everything else.
    ///   - hosts: names of what is in it. Where AWS gave them they say where that is, which no variable knows better.
    public init(named: String? = nil, hosts: [String] = []) {
        self.named = named
        self.hosts = hosts
    }

    /// As far as these say it.
    public var known: String? { named ?? hosts.lazy.compactMap(Self.region(ofHost:)).first }

    /// Whether a text may be a region, which becomes part of hosts' names.
    public static func isRegion(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && text.utf8.count <= 40
            && text.utf8.allSatisfy {
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) || $0 == UInt8(ascii: "-")
            }
    }

    /// The domain of AWS's hosts in a region.
    static func domain(_ region: String) -> String {
        if region.hasPrefix("cn-") { return "amazonaws.com.cn" }
        if region.hasPrefix("eusc-") { return "amazonaws.eu" }
        return "amazonaws.com"
    }

    /// The one that a host's name says, `b-1.shop.abc.c2.kafka.eu-west-1.amazonaws.com`; nil: it is no name of AWS's.
    static func region(ofHost host: String) -> String? {
        let host = host.lowercased()
        let isOfAWS = [".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".on.aws", ".api.aws"].contains {
            host.hasSuffix($0)
        }
        guard isOfAWS else { return nil }
        return host.split(separator: ".").last { isName($0) }.map(String.init)
    }

    /// `eu-west-1`, `us-gov-east-1`: no other part of such a name ends so.
    private static func isName(_ label: Substring) -> Bool {
        let words = label.split(separator: "-", omittingEmptySubsequences: false)
        guard words.count >= 3, let last = words.last, last.count == 1, last.allSatisfy(\.isNumber) else {
            return false
        }
        return words.dropLast().allSatisfy { word in
            word.count >= 2 && word.utf8.allSatisfy { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }
        }
    }
}
