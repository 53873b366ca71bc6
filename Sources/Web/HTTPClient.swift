import CCurl
import Foundation

/// Asks servers over HTTP, one request at a time, over a connection that it keeps for the next.
///
/// Belongs to one thread, which waits in it: no longer than its options say. A proxy is taken from the environment, as curl's own
/// program does (`https_proxy`, `no_proxy`).
public final class HTTPClient {
    private var options: HTTPOptions
    private let handle: UnsafeMutableRawPointer?
    /// Where libcurl puts its words.
    private let words: UnsafeMutablePointer<CChar>

    // Once for the process, and by one thread.
    private static let hasBegun: Bool = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    public init(_ options: HTTPOptions) {
        self.options = options
        handle = Self.hasBegun ? curl_easy_init() : nil
        words = .allocate(capacity: Int(CURL_ERROR_SIZE))
        words.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    }

    deinit {
        if let handle { curl_easy_cleanup(handle) }
        words.deallocate()
    }

    /// Has other credentials for requests to come.
    public func use(_ credentials: HTTPOptions.Credentials) { options.credentials = credentials }

    /// Asks and waits for the answer.
    ///
    /// - Parameter isGivenUp: asked about once a second, and more often while bytes come.
    public func send(
        _ request: HTTPRequest, isGivenUp: () -> Bool = { false }
    ) throws(HTTPFailure) -> HTTPAnswer {
        let place = Self.withoutSecrets(request.url)
        guard let handle else {
            throw HTTPFailure(
                code: .other, words: "libcurl does not begin", number: Int(CURLE_FAILED_INIT.rawValue), url: place)
        }
        let headers = HeaderList(request, options)
        let transfer = Transfer(largest: options.largestAnswer)
        let code = withoutActuallyEscaping(isGivenUp) { isGivenUp in
            transfer.isGivenUp = isGivenUp
            defer { transfer.isGivenUp = nil }
            return perform(request, headers, transfer, handle)
        }
        guard code == CURLE_OK else { throw failure(code, transfer, place) }
        return answer(of: transfer, handle)
    }

    private func perform(
        _ request: HTTPRequest, _ headers: HeaderList, _ transfer: Transfer, _ handle: UnsafeMutableRawPointer
    ) -> CURLcode {
        // Its connections stay, its options do not.
        curl_easy_reset(handle)
        words.pointee = 0
        var settings = Settings(handle)
        settings.set(CURLOPT_ERRORBUFFER, UnsafeMutableRawPointer(words))
        settings.set(CURLOPT_URL, request.url)
        settings.note(ccurl_allow_only_http(handle))
        settings.set(CURLOPT_NOSIGNAL, 1)
        settings.set(CURLOPT_TCP_KEEPALIVE, 1)
        settings.set(CURLOPT_USERAGENT, options.userAgent)
        settings.set(CURLOPT_CONNECTTIMEOUT_MS, options.connectTimeout.milliseconds)
        settings.set(CURLOPT_TIMEOUT_MS, options.timeout.milliseconds)
        settings.set(CURLOPT_HTTPHEADER, headers.first)
        secure(&settings)
        if case .basic(let user, let password) = options.credentials, !request.url.hasUserInfo {
            settings.set(CURLOPT_USERNAME, user)
            settings.set(CURLOPT_PASSWORD, password)
        }
        // What is plain because nobody is in between must not go to a proxy.
        let host = URLComponents(string: request.url)?.host ?? ""
        if options.isDirect || LocalHost.isLoopback(host) { settings.set(CURLOPT_NOPROXY, "*") }
        if let body = request.method.body {
            settings.set(CURLOPT_POST, 1)
            settings.set(CURLOPT_POSTFIELDSIZE_LARGE, size: body.count)
            if body.isEmpty {
                // Without an address libcurl would ask for the body elsewhere.
                settings.set(CURLOPT_COPYPOSTFIELDS, "")
            } else {
                body.withUnsafeBytes { bytes in
                    settings.set(CURLOPT_COPYPOSTFIELDS, UnsafeMutableRawPointer(mutating: bytes.baseAddress))
                }
            }
        }
        if case .put = request.method { settings.set(CURLOPT_CUSTOMREQUEST, "PUT") }
        let context = Unmanaged.passUnretained(transfer).toOpaque()
        settings.set(CURLOPT_WRITEDATA, context)
        settings.note(ccurl_set_writer(handle, Transfer.take))
        settings.set(CURLOPT_HEADERDATA, context)
        settings.note(ccurl_set_header_writer(handle, Transfer.takeHeader))
        settings.set(CURLOPT_XFERINFODATA, context)
        settings.note(ccurl_set_watcher(handle, Transfer.goesOn))
        settings.set(CURLOPT_NOPROGRESS, 0)
        guard settings.code == CURLE_OK else { return settings.code }
        return withExtendedLifetime((transfer, headers)) { curl_easy_perform(handle) }
    }

    private func secure(_ settings: inout Settings) {
        settings.set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
        settings.note(ccurl_keep_no_certificates(settings.handle))
        settings.set(CURLOPT_CERTINFO, 1)
        if let authorities = options.tls.authorities { settings.set(CURLOPT_CAINFO, authorities) }
        guard let certificate = options.tls.certificate else { return }
        settings.set(CURLOPT_SSLCERT, certificate)
        settings.set(CURLOPT_SSLKEY, options.tls.key ?? certificate)
    }

    private func answer(of transfer: Transfer, _ handle: UnsafeMutableRawPointer) -> HTTPAnswer {
        var status = 0
        _ = ccurl_get_number(handle, CURLINFO_RESPONSE_CODE, &status)
        var redirect: UnsafeMutablePointer<CChar>?
        _ = ccurl_get_text(handle, CURLINFO_REDIRECT_URL, &redirect)
        return HTTPAnswer(
            status: status, body: transfer.body, headers: transfer.headers,
            redirect: redirect.map { Self.withoutSecrets(String(cString: $0)) },
            certificate: Self.certificate(of: handle))
    }

    /// Of several in a chain the first is the server's. What libcurl says of it are lines, `Cert:` and it among them.
    private static func certificate(of handle: UnsafeMutableRawPointer) -> [UInt8]? {
        guard let all = ccurl_get_certificates(handle)?.pointee, all.num_of_certs > 0 else { return nil }
        var line = all.certinfo?.pointee
        while let said = line?.pointee {
            let text = said.data.map { String(cString: $0) } ?? ""
            if text.hasPrefix("Cert:") { return Array(text.utf8.dropFirst(5)) }
            line = said.next
        }
        return nil
    }

    private func failure(_ code: CURLcode, _ transfer: Transfer, _ place: String) -> HTTPFailure {
        if transfer.isTooLarge {
            return HTTPFailure(
                code: .tooLarge, words: "the answer is longer than \(options.largestAnswer) bytes",
                number: Int(code.rawValue), url: place)
        }
        let own = String(cString: words)
        return HTTPFailure(
            code: HTTPFailure.Code(code), words: own.isEmpty ? String(cString: curl_easy_strerror(code)) : own,
            number: Int(code.rawValue), url: place)
    }

    /// A URL as it may be shown: without user, password, query and fragment.
    public static func withoutSecrets(_ url: String) -> String {
        let shown = url.prefix { $0 != "?" && $0 != "#" }
        guard let scheme = shown.firstRange(of: "://") else {
            return shown.lastIndex(of: "@").map { String(shown[shown.index(after: $0)...]) } ?? String(shown)
        }
        let rest = shown[scheme.upperBound...]
        // A password may have a slash in it where somebody has not written it as %2F; what is behind the last @ has none.
        guard let at = rest.lastIndex(of: "@") else { return String(shown) }
        return "\(shown[..<scheme.upperBound])\(rest[rest.index(after: at)...])"
    }
}

extension String {
    fileprivate var hasUserInfo: Bool {
        guard let scheme = firstRange(of: "://") else { return false }
        return self[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }.contains("@")
    }
}

extension Duration {
    fileprivate var milliseconds: Int {
        let (seconds, attoseconds) = components
        return max(1, Int(seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000))
    }
}

/// Sets options, and remembers the first that did not go.
private struct Settings {
    let handle: UnsafeMutableRawPointer
    private(set) var code = CURLE_OK

    init(_ handle: UnsafeMutableRawPointer) { self.handle = handle }

    mutating func note(_ code: CURLcode) { if self.code == CURLE_OK { self.code = code } }
    mutating func set(_ option: CURLoption, _ value: Int) { note(ccurl_set_number(handle, option, value)) }
    mutating func set(_ option: CURLoption, _ value: String) { note(ccurl_set_text(handle, option, value)) }
    mutating func set(_ option: CURLoption, size: Int) { note(ccurl_set_size(handle, option, curl_off_t(size))) }
    mutating func set(_ option: CURLoption, _ value: UnsafeMutableRawPointer?) {
        note(ccurl_set_pointer(handle, option, value))
    }
    mutating func set(_ option: CURLoption, _ value: UnsafeMutablePointer<curl_slist>?) {
        note(ccurl_set_list(handle, option, value))
    }
}

/// The headers of a request, as libcurl wants them.
private final class HeaderList {
    private(set) var first: UnsafeMutablePointer<curl_slist>?

    init(_ request: HTTPRequest, _ options: HTTPOptions) {
        for (name, value) in request.headers { add("\(name): \(value)") }
        if case .bearer(let token) = options.credentials, !request.url.hasUserInfo {
            add("Authorization: Bearer \(token)")
        }
        // Nobody here sends so much that it were worth to ask before.
        if request.method.body != nil { add("Expect:") }
    }

    /// A line's end would begin another header.
    private func add(_ line: String) { first = curl_slist_append(first, line.filter { !$0.isNewline }) ?? first }

    deinit { curl_slist_free_all(first) }
}

/// What comes in, for libcurl's callbacks, which run within `curl_easy_perform`.
private final class Transfer {
    private let largest: Int
    private(set) var body: [UInt8] = []
    private(set) var headers: [String: String] = [:]
    private(set) var isTooLarge = false
    var isGivenUp: (() -> Bool)?

    init(largest: Int) { self.largest = largest }

    static let take: @convention(c) (UnsafeMutablePointer<CChar>?, Int, Int, UnsafeMutableRawPointer?) -> Int = {
        (bytes, size, count, context) in
        guard let context else { return 0 }
        let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
        let count = size * count
        guard transfer.body.count + count <= transfer.largest else {
            transfer.isTooLarge = true
            return 0
        }
        transfer.body.append(contentsOf: UnsafeRawBufferPointer(start: bytes, count: count))
        return count
    }

    /// libcurl lets no more of them in than 300 KiB. Each line is one; what a proxy has answered before comes first.
    static let takeHeader: @convention(c) (UnsafeMutablePointer<CChar>?, Int, Int, UnsafeMutableRawPointer?) -> Int = {
        (bytes, size, count, context) in
        guard let context else { return 0 }
        let line = String(
            decoding: UnsafeRawBufferPointer(start: bytes, count: size * count), as: UTF8.self)
        if let colon = line.firstIndex(of: ":") {
            let value = line[line.index(after: colon)...].drop { $0.isWhitespace }
            Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
                .headers[line[..<colon].lowercased()] = String(value.reversed().drop { $0.isWhitespace }.reversed())
        }
        return size * count
    }

    static let goesOn:
        @convention(c) (UnsafeMutableRawPointer?, curl_off_t, curl_off_t, curl_off_t, curl_off_t) -> Int32 =
            { (context, _, _, _, _) in
                guard let context else { return 0 }
                return Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue().isGivenUp?() ?? false ? 1 : 0
            }
}
