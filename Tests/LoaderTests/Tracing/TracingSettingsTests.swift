import Foundation
import Testing

@testable import Loader

@Suite("OpenTelemetry's variables")
struct TracingSettingsTests {
    private let base = ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"]

    private func settings(_ more: [String: String] = [:]) throws -> TracingSettings? {
        try TracingSettings(environment: base.merging(more) { $1 })
    }

    @Test(
        "without an endpoint, or where they are switched off, there are no traces",
        arguments: [
            [:], ["OTEL_EXPORTER_OTLP_ENDPOINT": ""], ["OTEL_SERVICE_NAME": "x", "OTEL_TRACES_SAMPLER": "nonsense"],
            ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "TRUE"],
            ["OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"],
        ])
    func off(environment: [String: String]) throws {
        #expect(try TracingSettings(environment: environment) == nil)
    }

    @Test(
        "the base takes the path of traces, an endpoint for traces alone is taken as it is",
        arguments: [
            ("http://collector:4318", "http://collector:4318/v1/traces"),
            ("http://collector:4318/", "http://collector:4318/v1/traces"),
            ("https://example.com/otlp", "https://example.com/otlp/v1/traces"),
        ])
    func endpoint(base: String, full: String) throws {
        #expect(try settings(["OTEL_EXPORTER_OTLP_ENDPOINT": base])?.endpoint.absoluteString == full)
        let own = try settings(["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": base])
        #expect(own?.endpoint.absoluteString == base)
    }

    @Test("headers, resource and timeout are read as the specification writes them")
    func lists() throws {
        let settings = try #require(
            try settings([
                "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic%20eDp5Pw==, x-a=1",
                "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-a=2", "OTEL_EXPORTER_OTLP_TIMEOUT": "2500",
                "OTEL_RESOURCE_ATTRIBUTES": "service.name=a,deployment.environment.name=prod%2C1",
                "OTEL_SERVICE_NAME": "orders", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            ]))
        #expect(settings.headers == ["authorization": "Basic eDp5Pw==", "x-a": "2"])
        #expect(settings.timeout == .milliseconds(2500))
        #expect(settings.resource == ["service.name": "orders", "deployment.environment.name": "prod,1"])
        #expect(settings.sampledShare == 1 && settings.asksForProtobuf)
    }

    @Test(
        "the samplers come down to a share of the batches",
        arguments: [
            ("always_on", nil, 1), ("always_off", nil, 0), ("parentbased_always_off", nil, 0),
            ("traceidratio", "0.25", 0.25), ("parentbased_traceidratio", "0", 0), ("traceidratio", nil, 1),
        ] as [(String, String?, Double)])
    func sampler(name: String, argument: String?, share: Double) throws {
        let variables = ["OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": argument ?? ""]
        #expect(try settings(variables)?.sampledShare == share)
    }

    @Test(
        "a mistake names its variable, never a secret",
        arguments: [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "secret:4318"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://secret/"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "/v1/secret"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "secret"), ("OTEL_EXPORTER_OTLP_HEADERS", "a=secret%0D%0Ab: c"),
            ("OTEL_RESOURCE_ATTRIBUTES", "=secret"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_TRACES_SAMPLER", "secret"), ("OTEL_TRACES_EXPORTER", "zipkin"),
        ])
    func mistake(variable: String, value: String) throws {
        let problems = #expect(throws: ConfigurationProblems.self) { try settings([variable: value]) }
        #expect(problems?.problems.map(\.origin) == [.variable(variable)])
        #expect(problems?.description.contains("secret") == false)
    }

    @Test("all mistakes are told at once, and certificates matter to https alone")
    func mistakes() throws {
        let certificate = ["OTEL_EXPORTER_OTLP_CERTIFICATE": "/ca.pem"]
        #expect(try settings(certificate) != nil)
        let problems = #expect(throws: ConfigurationProblems.self) {
            try settings(
                certificate.merging([
                    "OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector", "OTEL_TRACES_SAMPLER": "traceidratio",
                    "OTEL_TRACES_SAMPLER_ARG": "2",
                ]) { $1 })
        }
        #expect(problems?.problems.count == 2)
    }
}
