import Foundation

/// Where traces go, from OpenTelemetry's own environment variables.
///
/// https://opentelemetry.io/docs/specs/otel/protocol/exporter/ and
/// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
struct TracingSettings: Equatable, Sendable {
    /// With its path, `http://collector:4318/v1/traces`.
    var endpoint: URL
    /// May hold secrets.
    var headers: [String: String]
    var timeout: Duration
    /// What is known of this process, `service.name` first of all.
    var resource: [String: String]
    /// The share of batches that are traced, 0…1.
    var sampledShare: Double
    /// The variables ask for `http/protobuf`, which is not what is sent.
    var asksForProtobuf: Bool

    /// - Returns: nil where no traces are wanted.
    /// - Throws: all the mistakes in these variables.
    init?(environment: [String: String]) throws(ConfigurationProblems) {
        var reader = Reader(environment)
        // Nothing is read, and so nothing can be wrong, where nothing is asked for.
        guard let (name, text) = reader.first("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
            reader["OTEL_SDK_DISABLED"]?.lowercased() != "true", reader["OTEL_TRACES_EXPORTER"] != "none"
        else { return nil }
        if let exporter = reader["OTEL_TRACES_EXPORTER"], exporter != "otlp" {
            reader.refuse("OTEL_TRACES_EXPORTER", "only otlp is known", "Set it to otlp or none.")
        }
        let endpoint = reader.endpoint(name, text)
        asksForProtobuf = reader.checkProtocol() == "http/protobuf"
        if endpoint?.scheme == "https" { reader.checkCertificates() }
        headers = reader.pairs("OTEL_EXPORTER_OTLP_HEADERS")
            .merging(reader.pairs("OTEL_EXPORTER_OTLP_TRACES_HEADERS")) { $1 }
        timeout = reader.timeout()
        sampledShare = reader.sampledShare()
        resource = reader.pairs("OTEL_RESOURCE_ATTRIBUTES")
        if let service = reader["OTEL_SERVICE_NAME"] { resource["service.name"] = service }
        guard reader.problems.isEmpty, let endpoint else { throw ConfigurationProblems(problems: reader.problems) }
        self.endpoint = endpoint
    }

    /// The variables, and what is wrong with them.
    private struct Reader {
        private let variables: [String: String]
        private(set) var problems: [ConfigurationProblem] = []

        /// An empty variable counts as not set.
        init(_ environment: [String: String]) { variables = environment.filter { !$0.value.isEmpty } }

        subscript(name: String) -> String? { variables[name] }

        /// The first that is set.
        func first(_ names: String...) -> (name: String, text: String)? {
            for name in names { if let text = variables[name] { return (name, text) } }
            return nil
        }

        /// - Parameter message: without the variable's value, which may be a secret.
        mutating func refuse(_ name: String, _ message: String, _ mend: String) {
            problems.append(
                ConfigurationProblem(code: .invalidValue, origin: .variable(name), message: message, mend: mend))
        }

        mutating func endpoint(_ name: String, _ text: String) -> URL? {
            let mend = "Give a URL such as http://localhost:4318, or unset it."
            guard let url = URL(string: text), let scheme = url.scheme?.lowercased(), url.host()?.isEmpty == false
            else {
                refuse(name, "it is no URL with a scheme and a host", mend)
                return nil
            }
            guard scheme == "http" || scheme == "https" else {
                refuse(name, "only http and https are known", mend)
                return nil
            }
            // One for traces alone is taken as it is.
            return name == "OTEL_EXPORTER_OTLP_ENDPOINT" ? url.appending(path: "v1/traces") : url
        }

        /// - Returns: what is asked for.
        mutating func checkProtocol() -> String? {
            guard let (name, text) = first("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL") else {
                return nil
            }
            guard
                // Receivers take both encodings at the same port and path; the exporter says which one it sends.
                text != "http/json", text != "http/protobuf"
            else { return text }
            refuse(
                name, "only OTLP over HTTP is spoken",
                "Set it to http/json, and the endpoint to the receiver's port for HTTP, usually 4318.")
            return text
        }

        mutating func checkCertificates() {
            for name in variables.keys.sorted()
            where name.hasPrefix("OTEL_EXPORTER_OTLP_")
                && (name.hasSuffix("_CERTIFICATE") || name.hasSuffix("_CLIENT_KEY"))
            {
                refuse(
                    name, "certificates of one's own are not supported",
                    "Add the authority to the system's (update-ca-certificates) and unset it.")
            }
        }

        /// Reads `name=value,name=value`, percent-encoded.
        mutating func pairs(_ name: String) -> [String: String] {
            var pairs: [String: String] = [:]
            for pair in (variables[name] ?? "").split(separator: ",") {
                let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                    .map { $0.trimmingCharacters(in: .whitespaces).removingPercentEncoding }
                guard parts.count == 2, let key = parts[0], !key.isEmpty, let value = parts[1],
                    !value.contains(where: \.isNewline)
                else {
                    refuse(name, "it is no list of name=value", "Write name=value,name=value, percent-encoded.")
                    return [:]
                }
                pairs[key] = value
            }
            return pairs
        }

        mutating func timeout() -> Duration {
            guard let (name, text) = first("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT") else {
                return .seconds(10)
            }
            guard let milliseconds = Int(text), (1...600_000).contains(milliseconds) else {
                refuse(name, "it is no number of milliseconds from 1 to 600000", "Set it to 10000, or unset it.")
                return .zero
            }
            return .milliseconds(milliseconds)
        }

        /// A batch's span has no parent, so the samplers that ask one come down to their roots.
        mutating func sampledShare() -> Double {
            let name = "OTEL_TRACES_SAMPLER"
            switch variables[name] ?? "parentbased_always_on" {
            case "always_on", "parentbased_always_on": return 1
            case "always_off", "parentbased_always_off": return 0
            case "traceidratio", "parentbased_traceidratio":
                guard let text = variables["OTEL_TRACES_SAMPLER_ARG"] else { return 1 }
                if let share = Double(text), (0...1).contains(share) { return share }
                refuse("OTEL_TRACES_SAMPLER_ARG", "it is no number from 0 to 1", "Set it to 0.1 for one batch in ten.")
            default:
                refuse(
                    name, "no such sampler is known",
                    "Set it to always_on, always_off or traceidratio, each also with parentbased_ before it.")
            }
            return 1
        }
    }
}
