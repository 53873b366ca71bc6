import Logging

/// What the log says of a drift: the same words each time, the fields beside them.
package struct DriftMessage {
    let text: String
    let level: Logger.Level
    /// Kept for the status page, too.
    let isIncident: Bool
    private(set) var fields: String?
    private(set) var details: String?
    private(set) var mend: Mend?

    /// Fields that one line names.
    package static let mostFields = 10

    init(_ event: DriftTracker.Event) {
        isIncident = !event.isOver && !event.hasMore && (event.kind == .vanished || event.kind == .changed)
        level = isIncident ? .warning : event.kind == .unrouted && !event.isOver ? .info : .notice
        text =
            switch (event.kind, event.isOver) {
            case _ where event.hasMore: "there are more fields that no route takes; they are not named"
            case (.unrouted, false): "messages have fields that no route takes"
            case (.new, false): "messages have new fields that no route takes"
            case (.unrouted, true), (.new, true): "fields that no route took are taken now, or no longer come"
            case (.vanished, false): "fields that columns take have vanished from the messages"
            case (.vanished, true): "fields that had vanished are back, or taken by no column now"
            case (.changed, false): "fields that columns take have changed their type"
            case (.changed, true): "fields that had changed their type are what they were, or fit now"
            }
        guard !event.hasMore else { return }
        let named = event.notes.prefix(Self.mostFields)
        let more = event.notes.count > named.count ? " and \(event.notes.count - named.count) more" : ""
        fields = named.map(\.field).joined(separator: ", ") + more
        guard !event.isOver else { return }
        mend = event.mend
        if isIncident {
            details = named.map { "\($0.field) (\($0.column ?? "")): \($0.words)" }.joined(separator: "; ") + more
        }
    }
}

extension DriftNote.Kind {
    /// As the log's `code`.
    var code: String { rawValue + "_field" }
}
