import Loading

/// The source that a column which found nothing may have been meant for, among the fields that nobody takes.
func likelySource(of column: String, among paths: Set<String>) -> String? {
    let wanted = snakeCased(column)
    let folded = paths.sorted { ($0.count, $0) < ($1.count, $1) }.map { (path: $0, folded: snakeCased($0)) }
    if let same = folded.first(where: { $0.folded == wanted }) { return same.path }
    let places = ["topic": "$topic", "partition": "$partition", "offset": "$offset", "timestamp": "$timestamp"]
    if wanted.hasPrefix("kafka_"), let place = places[String(wanted.dropFirst("kafka_".count))] { return place }
    // A field of another object's with the same name.
    if let inner = folded.first(where: { $0.folded.hasSuffix("_" + wanted) }) { return inner.path }
    // Of short names nearly all are near each other.
    let near = nearest(to: wanted, in: folded.map(\.folded)).flatMap { near in
        let distance = editDistance(Array(wanted.utf8), Array(near.utf8))
        return wanted.count >= 3 && distance <= max(1, wanted.count / 4) ? near : nil
    }
    return folded.first { $0.folded == near }?.path
}
