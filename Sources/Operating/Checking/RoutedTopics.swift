import Credentials
import Foundation
import Kafka
import Loading

/// What the brokers show of the routes' topics: whether a start finds what it is to load. Both `run` and `check` go by it.
public struct RoutedTopics: Sendable {
    /// What keeps a start from going on.
    public private(set) var problems: [SetupProblem] = []
    public private(set) var warnings: [SetupProblem] = []
    /// Partitions by topic, of all that the brokers show; nil where none answered.
    public private(set) var all: [String: Int]?
    /// The same of those that the routes take.
    public private(set) var found: [String: Int] = [:]
    /// Why none answered.
    public private(set) var error: KafkaError?
    /// Why there was no token to ask with.
    package private(set) var tokenFailure: CredentialFailure?
    /// Whom else to ask.
    let admin: Admin?

    /// Brokers have said so, and yet a topic that was just made may not be known to all of them.
    private static let secondLook = 0.5
    /// For the question why no broker answers.
    private static let proof = Duration.seconds(3)

    /// - Parameter timeout: that the brokers get for what they are asked first.
    public init(_ options: LoadingOptions, timeout: Duration = .seconds(10)) {
        let deadline = StartDeadline()
        if let failure = TokenCheck.failure(options) {
            admin = nil
            tokenFailure = failure
            problems = [TokenCheck.problem(failure)]
            return
        }
        do throws(KafkaError) {
            admin = try Admin(properties: options.clientProperties)
        } catch {
            admin = nil
            problems = [
                SetupProblem(
                    .kafka, at: "kafka.properties", "the Kafka client cannot start: \(error.reason)",
                    mend: "see librdkafka's CONFIGURATION.md")
            ]
            return
        }
        guard let admin else { return }
        do throws(KafkaError) {
            var counts = try admin.partitionCounts(timeout: deadline.share(timeout, sparing: Self.proof))
            if Self.isAnyMissing(options, among: counts) {
                Thread.sleep(forTimeInterval: Self.secondLook)
                counts = try admin.partitionCounts(timeout: deadline.share(timeout, sparing: Self.proof))
            }
            all = counts
            find(options, among: counts)
            let unreached = LeaderReach.problem(found, admin, timeout: deadline.share(min(timeout, .seconds(5))))
            warnings += [unreached].compactMap(\.self)
            let patience = deadline.share(min(timeout, .seconds(5)))
            problems += ReadRights.missing(found.keys, options, timeout: patience).map { topic in
                SetupProblem(
                    .topic, at: topic, "the brokers show this user the topic \(topic) and do not let it read it",
                    mend: .said(Self.readMend(topic, options)))
            }
            // Who does not reach the brokers that hold the topics need not wait for the one that has the group as well.
            if unreached == nil,
                let problem = GroupRight.problem(
                    options, admin, topic: found.keys.min(), timeout: deadline.share(min(timeout, .seconds(3))))
            {
                if problem.isWarning { warnings.append(problem) } else { problems.append(problem) }
            }
            problems += WriteRight.problems(options, admin, timeout: deadline.share(min(timeout, .seconds(5))))
        } catch {
            self.error = error
            problems = Self.problems(options, error, admin.connectionTrouble, deadline)
        }
    }

    private static func readMend(_ topic: String, _ options: LoadingOptions) -> String {
        "give this user READ on \(topic): " + AccessLine(options).words(["Read"], on: .topic(topic))
    }

    private static func isAnyMissing(_ options: LoadingOptions, among all: [String: Int]) -> Bool {
        options.routes.contains { route in
            route.topics.contains { pattern in !all.keys.contains { pattern.matches($0) } }
        }
    }

    private mutating func find(_ options: LoadingOptions, among all: [String: Int]) {
        let names = all.keys.sorted()
        // A subscription makes what it names, if brokers and client both want that.
        let isMade = options.properties["allow.auto.create.topics"] == "true"
        for route in options.routes {
            for pattern in route.topics where pattern.isValid {
                let taken = all.filter { pattern.matches($0.key) }
                found.merge(taken) { $1 }
                guard taken.isEmpty else { continue }
                var problem: SetupProblem
                switch pattern {
                case .name(let name):
                    let near = nearest(to: name, in: names)
                    let line = AccessLine(options).text(["Read"], on: .topic(name))
                    problem = SetupProblem(
                        .topic, at: route.label, "the brokers show no topic \(name)",
                        mend: (near.map { "did you mean \($0)? Else " } ?? "")
                            + "create it, or give this user DESCRIBE and READ on it" + (line.map { " (\($0))" } ?? ""))
                    problem.isWarning = options.waitsAtStart || isMade
                case .expression(let expression):
                    let near = nearest(to: expression.filter { $0.isLetter || $0.isNumber }, in: names)
                    problem = SetupProblem(
                        .topic, at: route.label, "no topic matches \(expression)",
                        mend: (near.map { "there is \($0); " } ?? "")
                            + "mend the expression, or give this user DESCRIBE and READ on the topics")
                    problem.isWarning = options.waitsAtStart
                }
                problem.passing = .absent
                if problem.isWarning {
                    problem.mend = .said(problem.mend.words + "; a loader waits for it")
                    warnings.append(problem)
                } else {
                    problem.mend = .said(
                        problem.mend.words
                            + "; to wait for topics that are still to come: --wait, or wait_at_start: true")
                    problems.append(problem)
                }
            }
        }
    }

    private static func problems(
        _ options: LoadingOptions, _ error: KafkaError, _ trouble: KafkaError?, _ deadline: StartDeadline
    ) -> [SetupProblem] {
        let hosts = HostLookup.hosts(ofBrokers: options.brokers)
        let unknown = HostLookup.unknown(hosts, timeout: deadline.share(.seconds(3)))
        var problems = unknown.map { host in
            var problem = SetupProblem(
                .kafka, at: "kafka.brokers", "there is no host \(host)", mend: "mend kafka.brokers, or the name server")
            problem.passing = .absent
            return problem
        }
        guard unknown.count < hosts.count || hosts.isEmpty else { return problems }
        if let refusal = (trouble?.suspicion ?? error.suspicion).flatMap({ proven($0, options, deadline) }) {
            problems.append(
                SetupProblem(
                    .kafka, at: "kafka.brokers", "\(refusal.what): \(error.reason)", mend: .said(refusal.mend())))
            return problems
        }
        var problem = SetupProblem(
            .kafka, at: "kafka.brokers", "no broker answers: \(error.reason) (\(error.code.name))",
            mend:
                "check the addresses \(options.brokers) from this machine, and the security settings in kafka.properties"
        )
        problem.passing = error.isRetriable ? .outage : .never
        problems.append(problem)
        return problems
    }

    /// What is in doubt by its words alone is asked for; and that a certificate has expired, not every broker says.
    private static func proven(
        _ refusal: BrokerRefusal, _ options: LoadingOptions, _ deadline: StartDeadline
    ) -> BrokerRefusal? {
        if [.ownCertificate, .ownCertificateMissing].contains(refusal),
            let own = ShownCertificate.ownCertificate(options.currentProperties), own.notAfter < Date()
        {
            return .ownCertificateExpired
        }
        // A broker that a start has just reached is hardly one that goes, and some do not say that they want SASL to whoever is nobody.
        guard refusal.isInDoubt, refusal != .wantsSASL else { return refusal }
        let proof = RefusalProof(options.clientProperties)
        return proof.holds(refusal, timeout: deadline.share(.seconds(4))) ? refusal : nil
    }
}
