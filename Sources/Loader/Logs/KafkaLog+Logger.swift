import Kafka
import Logging

extension KafkaLog {
    /// Has what librdkafka itself logs written among the loader's own lines.
    static func send(to logger: Logger) {
        send { line in
            let level: Logger.Level =
                switch line.level {
                case .notice: .notice
                case .info: .info
                case .debug: .debug
                }
            logger.log(
                level: level, "librdkafka",
                metadata: [
                    "facility": "\(line.facility)", "client": "\(line.client)", "text": "\(line.text)",
                ])
        }
    }
}
