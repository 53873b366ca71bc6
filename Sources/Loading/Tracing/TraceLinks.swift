/// The traces that a batch's messages belong to.
struct TraceLinks {
    /// A batch may hold tens of thousands of messages, and a span with so many links is shown nowhere.
    static let limit = 32

    private(set) var parents: [TraceParent] = []
    /// Messages whose trace found no place.
    private(set) var dropped = 0

    /// Looks at the headers of all messages. Traces that nobody samples are passed over: links to them lead nowhere.
    init(of batch: Batch) {
        for message in batch.messages.indices where batch.messages[message].headersCount > 0 {
            guard let value = batch.header("traceparent", of: message), let parent = TraceParent(value),
                parent.isSampled, !parents.contains(parent)
            else { continue }
            if parents.count < Self.limit { parents.append(parent) } else { dropped += 1 }
        }
    }
}
