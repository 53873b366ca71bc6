import Sockets

/// Asks a listener what it speaks. A broker that is not spoken to in its own way closes the connection without a
/// word, and so does a load balancer that has no broker behind it.
public enum ListenerProbe {
    public enum Speech: Sendable {
        case plain
        case tls
    }

    /// ApiVersions (18) in version 0, with 1 to know the answer by.
    private static let question = PortQuestion([0, 0, 0, 16, 0, 18, 0, 0, 0, 0, 0, 1, 0, 6] + Array("loader".utf8))

    /// Asks in plain for the versions of Kafka's calls, and then begins with TLS, each on a connection of its own.
    ///
    /// - Parameter host: one that librdkafka has just looked up.
    /// - Returns: nil if nobody answers, or neither so.
    public static func speech(of host: String, port: UInt16, timeout: Duration) -> Speech? {
        let deadline = ContinuousClock.now + timeout
        let answer = question.answer(from: host, port: port, atLeast: 8, until: deadline)
        if answer.count >= 8, answer[4..<8].elementsEqual([0, 0, 0, 1]) { return .plain }
        // Some send TLS's alert to whatever is no TLS, others need to be greeted.
        if PortQuestion.isTLS(answer) { return .tls }
        let greeted = PortQuestion.tls.answer(from: host, port: port, atLeast: 2, until: deadline)
        return PortQuestion.isTLS(greeted) ? .tls : nil
    }
}
