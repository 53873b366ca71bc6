import CCurl

/// Why a server gave no answer. It holds no secret, so it may be logged.
public struct HTTPFailure: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Code: String, Sendable, CaseIterable {
        /// Nobody knows the host's name, or nobody says so.
        case resolve
        case connect
        /// No connection, or no whole answer, in time.
        case timeout
        /// The two do not trust each other: a certificate of another authority or host, an expired one, none.
        case tls
        /// A file of the client's own is missing, or is no certificate and key.
        case files
        /// The answer is longer than the client takes.
        case tooLarge = "too_large"
        /// The connection ended before the answer did.
        case reset
        case proxy
        /// What answers does not speak HTTP.
        case protocolError = "protocol"
        /// The URL is none, or not one of HTTP.
        case url
        /// Whoever asked does not want it any more.
        case givenUp = "given_up"
        case other
    }

    public var code: Code
    /// libcurl's own words.
    public var words: String
    /// libcurl's own number.
    public var number: Int
    /// What was asked for, without user, password and query.
    public var url: String

    public var description: String { "\(url): \(words)" }
}

extension HTTPFailure.Code {
    init(_ code: CURLcode) {
        self =
            switch code {
            case CURLE_COULDNT_RESOLVE_HOST: .resolve
            case CURLE_COULDNT_RESOLVE_PROXY, CURLE_PROXY: .proxy
            case CURLE_COULDNT_CONNECT: .connect
            case CURLE_OPERATION_TIMEDOUT: .timeout
            case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CIPHER, CURLE_SSL_ISSUER_ERROR,
                CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_CLIENTCERT:
                .tls
            case CURLE_SSL_CERTPROBLEM, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CRL_BADFILE: .files
            case CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE: .reset
            case CURLE_WEIRD_SERVER_REPLY, CURLE_HTTP2, CURLE_HTTP2_STREAM,
                CURLE_BAD_CONTENT_ENCODING:
                .protocolError
            case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL: .url
            case CURLE_ABORTED_BY_CALLBACK: .givenUp
            default: .other
            }
    }
}
