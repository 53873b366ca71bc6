import CRdKafka
import Synchronization

/// Takes note of the certificates that brokers show, and of what OpenSSL has against them: librdkafka itself only says that
/// it does not take one.
///
/// It decides nothing: whatever OpenSSL has found, stands.
final class CertificateWatch: Sendable {
    private struct Seen {
        var certificate: BrokerCertificate?
        var trouble: Int32?
    }

    private let seen = Mutex(Seen())

    /// The last that was taken.
    var certificate: BrokerCertificate? { seen.withLock { $0.certificate } }

    /// OpenSSL's number for what was wrong with the last that was not taken.
    var trouble: Int32? { seen.withLock { $0.trouble } }

    /// - Parameters:
    ///   - depth: 0 for the broker's own, more for those of its authorities.
    ///   - error: 0 if there is nothing against it.
    /// - Returns: whether it may be taken.
    func see(_ der: UnsafeRawBufferPointer, of broker: String, depth: Int32, error: Int32) -> Bool {
        seen.withLock { seen in
            if error != 0 {
                seen.trouble = error
            } else if depth == 0 {
                seen = Seen(certificate: BrokerCertificate(broker: broker, der: Array(der)))
            }
        }
        return error == 0
    }

    static func register(in configuration: OpaquePointer) {
        let code = rd_kafka_conf_set_ssl_cert_verify_cb(configuration) {
            _, broker, _, error, depth, bytes, size, words, room, opaque in
            let error = error?.pointee ?? 0
            guard let callbacks = KafkaCallbacks.behind(opaque), let bytes else { return error == 0 ? 1 : 0 }
            let der = UnsafeRawBufferPointer(start: bytes, count: size)
            let name = broker.map { String(cString: $0) } ?? ""
            let isTaken = callbacks.certificates.see(der, of: name, depth: depth, error: error)
            // For librdkafka's log, which has nothing to do with the error that it reports.
            if !isTaken, let words, room > 0 { words.pointee = 0 }
            return isTaken ? 1 : 0
        }
        // A librdkafka without TLS has nothing to look at.
        assert(code == RD_KAFKA_CONF_OK || code == RD_KAFKA_CONF_INVALID)
    }
}

/// A broker's own certificate.
public struct BrokerCertificate: Sendable, Equatable {
    /// `host:port`.
    public var broker: String
    public var der: [UInt8]
}
