/// `1,234,567`
func grouped(_ number: Int) -> String {
    var result = ""
    let digits = String(number)
    for (index, digit) in digits.enumerated() {
        if index > 0, digit != "-", (digits.count - index) % 3 == 0, result != "-" { result += "," }
        result.append(digit)
    }
    return result
}

/// `1 min 58 s`, rounded up; nil beyond what anybody would wait for.
func durationText(_ seconds: Double) -> String? {
    guard seconds < 8_640_000 else { return nil }
    let whole = Int(seconds.rounded(.up))
    switch whole {
    case ..<60: return "\(whole) s"
    case ..<3600: return "\(whole / 60) min \(whole % 60) s"
    default: return "\(whole / 3600) h \(whole % 3600 / 60) min"
    }
}
