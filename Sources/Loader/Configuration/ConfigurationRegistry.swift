import Foundation
import Loading
import Records
import Schemas
import Web

extension Configuration.Registry {
    /// What all threads of the process know of it; nil where there is none.
    var source: SchemaSource? {
        guard !urls.isEmpty else { return nil }
        let credentials: HTTPOptions.Credentials =
            if let token {
                .bearer(token: token)
            } else if let user {
                .basic(user: user, password: password ?? "")
            } else {
                .none
            }
        let tls = HTTPOptions.TLS(authorities: authorities, certificate: certificate, key: key)
        let http = HTTPOptions(credentials: credentials, tls: tls, userAgent: "loader/\(Version.loader)")
        return SchemaSource(RegistryOptions(urls: urls, http: http))
    }
}

extension ConfigurationKind where Value == [String] {
    /// URLs of HTTP. Says of a bad one only that it is bad: it may hold a password.
    static var webAddresses: ConfigurationKind {
        ConfigurationKind(name: "text or list", domain: "URLs of HTTP", form: .list) { value throws(ValueMistake) in
            let urls = try value.items(what: "a URL or a list of them")
            for url in urls {
                guard let parts = URLComponents(string: url), ["http", "https"].contains(parts.scheme?.lowercased()),
                    parts.host?.isEmpty == false, parts.query == nil, parts.fragment == nil
                else {
                    throw ValueMistake(
                        .invalidValue, "is no URL of HTTP",
                        "Write https://host:8081; a user and a password go into keys of their own.")
                }
            }
            guard Set(urls).count == urls.count else {
                throw ValueMistake(.invalidValue, "has a URL twice", "Name each once.")
            }
            return urls
        }
    }
}

extension ConfigurationKind where Value == Int32 {
    static var schemaNumber: ConfigurationKind {
        let number = ConfigurationKind<Int>.integer(1...Int(Int32.max))
        return ConfigurationKind(name: number.name, domain: number.domain, isBare: true, form: number.form) {
            value throws(ValueMistake) in Int32(try number.read(value))
        }
    }
}

extension ConfigurationKind where Value == Route.SchemaFile {
    static var schemaFile: ConfigurationKind {
        .scalar("file", domain: "an Avro schema in JSON") { path throws(ValueMistake) in
            guard let data = FileManager.default.contents(atPath: path) else {
                throw ValueMistake(
                    .invalidValue, "\(path) cannot be read", "Name a file that the loader's user may read.")
            }
            do throws(AvroSchemaFailure) {
                let schema = try AvroSchema(String(decoding: data, as: UTF8.self))
                return Route.SchemaFile(path: path, schema: schema)
            } catch {
                throw ValueMistake(.invalidValue, "\(path): \(error)", "Give a schema of Avro, in JSON.")
            }
        }
    }
}
