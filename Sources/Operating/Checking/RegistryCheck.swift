import Foundation
import Loading
import Schemas

/// What a start needs of the schema registry: that it is one, and lets the loader in.
package enum RegistryCheck {
    /// Asks it, each of its URLs no longer than a request may take.
    package static func problems(_ options: LoadingOptions) -> [SetupProblem] {
        guard let schemas = options.schemas else { return [] }
        do throws(RegistryFailure) {
            try SchemaResolver(schemas).greet()
            let (shown, now) = (schemas.certificates, Date())
            let ownPlace = "schema_registry.certificate"
            return [
                SetupProblem(
                    ending: shown.own, .init(.schemaRegistry, .loader), "the loader's certificate", at: ownPlace, now),
                SetupProblem(
                    ending: shown.server, .init(.schemaRegistry, .server), "the certificate", at: "schema_registry.url",
                    now),
            ].compactMap(\.self)
        } catch {
            let notice = OutageNotice(registry: error)
            // What is away comes back, and only messages that name a schema wait for it.
            let mend = error.isSetup ? notice.remedy : "\(notice.remedy); messages that name a schema wait for it"
            return [
                SetupProblem(
                    .registry, at: "schema_registry.url", "\(notice.what): \(error)", mend: .said(mend),
                    isWarning: !error.isSetup)
            ]
        }
    }
}
