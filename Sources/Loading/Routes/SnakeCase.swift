/// A field's name, or its path, as a column would be called: `customer.orderID` is `customer_order_id`.
///
/// Letters and digits stay, lower case; a new word begins where lower case turns to upper and before the last capital of a
/// run; everything else is one underscore.
public func snakeCased(_ name: String) -> String {
    var result = ""
    let characters = Array(name)
    for (index, character) in characters.enumerated() {
        guard character.isLetter || character.isNumber else {
            if !result.isEmpty, result.last != "_" { result.append("_") }
            continue
        }
        if character.isUppercase, index > 0 {
            let before = characters[index - 1]
            let isNewWord = before.isLowercase || before.isNumber
            let endsCapitals = before.isUppercase && index + 1 < characters.count && characters[index + 1].isLowercase
            if isNewWord || endsCapitals, result.last != "_" { result.append("_") }
        }
        result += character.lowercased()
    }
    while result.last == "_" { result.removeLast() }
    return result
}

/// The source that a column which found nothing may have been meant for, among the fields that nobody takes.
package func likelySource(of column: String, among paths: Set<String>) -> String? {
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
