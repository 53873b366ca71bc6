/// Reads `1s`, `500ms`, `1.5s`, `1m30s`; nil if it is no duration. Units: us, ms, s, m, h, d.
func parseDuration(_ text: String) -> Duration? {
    let units = ["us": 1, "ms": 1000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000]
    var rest = text[...]
    var microseconds = 0
    repeat {
        guard let part = Decimal(prefixOf: &rest) else { return nil }
        let unit = rest.prefix { $0.isLetter }
        guard let factor = units[String(unit)], let amount = part.times(factor) else { return nil }
        rest = rest.dropFirst(unit.count)
        let (sum, overflow) = microseconds.addingReportingOverflow(amount)
        guard !overflow else { return nil }
        microseconds = sum
    } while !rest.isEmpty
    return .microseconds(microseconds)
}

/// Reads `32MiB`, `64kB`, `1.5GiB` or bare bytes; nil if it is no size. A bare `M` says too little and is none.
func parseSize(_ text: String) -> Int? {
    let units = [
        "": 1, "b": 1, "kb": 1000, "mb": 1_000_000, "gb": 1_000_000_000, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30,
    ]
    var rest = text[...]
    guard let amount = Decimal(prefixOf: &rest) else { return nil }
    guard let factor = units[rest.drop { $0 == " " }.lowercased()] else { return nil }
    return amount.times(factor)
}

/// The largest unit that leaves a whole number: `1s`, `500ms`, `10m`.
func formatDuration(_ duration: Duration) -> String {
    let (seconds, attoseconds) = duration.components
    let microseconds = attoseconds / 1_000_000_000_000
    if microseconds % 1000 != 0 { return "\(seconds * 1_000_000 + microseconds)us" }
    if microseconds != 0 { return "\(seconds * 1000 + microseconds / 1000)ms" }
    for (unit, length) in [("d", Int64(86400)), ("h", 3600), ("m", 60)] where seconds != 0 && seconds % length == 0 {
        return "\(seconds / length)\(unit)"
    }
    return "\(seconds)s"
}

/// The largest binary unit that leaves a whole number: `32MiB`.
func formatSize(_ bytes: Int) -> String {
    for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] where bytes != 0 && bytes % (1 << shift) == 0 {
        return "\(bytes >> shift)\(unit)"
    }
    return "\(bytes)B"
}

/// A decimal as written, so that 0.1 s is exactly 100000 µs.
private struct Decimal {
    var digits = 0
    var divisor = 1

    /// Takes the number off the front of the text; nil if there is none or it is too long.
    init?(prefixOf text: inout Substring) {
        let number = text.prefix { ($0.isASCII && $0.isNumber) || $0 == "." || $0 == "_" }
        let parts = number.replacing("_", with: "").split(separator: ".", omittingEmptySubsequences: false)
        guard let whole = parts.first, !whole.isEmpty, parts.count <= 2 else { return nil }
        let fraction = parts.count == 2 ? parts[1] : ""
        guard parts.count == 1 || !fraction.isEmpty, fraction.count <= 9 else { return nil }
        guard let digits = Int(whole + fraction) else { return nil }
        self.digits = digits
        for _ in fraction { divisor *= 10 }
        text = text.dropFirst(number.count)
    }

    func times(_ factor: Int) -> Int? {
        let (product, overflow) = digits.multipliedReportingOverflow(by: factor)
        return overflow ? nil : product / divisor
    }
}
