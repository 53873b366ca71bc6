import Foundation
import Loading

extension Configuration {
    /// Lets each Kafka client be made with what files say by then: passwords that stand in them, certificates and keys.
    mutating func takeClientSecrets(_ substitution: Substitution) {
        let templates = settings.all.compactMap { setting -> (property: String, template: String)? in
            guard setting.path.components.starts(with: [.name("kafka"), .name("properties")]),
                let template = setting.template, let name = setting.path.names.last
            else { return nil }
            return (name, template)
        }
        let secrets = ClientSecrets(loading.properties) {
            var values: [String: String] = [:]
            for (property, template) in templates {
                let result = substitution.apply(template)
                guard result.mistakes.isEmpty else { return nil }
                values[property] = result.text
            }
            return values
        }
        if !templates.isEmpty || secrets.hasFiles { loading.secrets = secrets }
    }
}
