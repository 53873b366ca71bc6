import Credentials

/// Whose brokers they are, where rights are given in a way of its own.
public enum BrokerService: Sendable, Hashable { case kafka, msk, eventHubs }

extension LoadingOptions {
    package var brokerService: BrokerService {
        if tokens?.isOfMSK ?? false { return .msk }
        return brokers.lowercased().contains(".servicebus.") ? .eventHubs : .kafka
    }
}
