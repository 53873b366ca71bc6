/// Moments as RFC 3339 writes them.
enum MomentText {
    /// `2026-01-31T09:30:00Z`, with three digits behind the second where those are not zero; a year beyond 9999 has its sign and six
    /// digits, as ISO 8601 has it.
    ///
    /// - Parameter microseconds: since 1970-01-01 UTC; what is less than a millisecond is left out.
    static func utc(microseconds: Int64) -> String {
        let day = Int64(86_400_000_000)
        let days = microseconds / day - (microseconds % day < 0 ? 1 : 0)
        let milliseconds = (microseconds - days * day) / 1000
        let date = date(ofDay: days)
        func digits(_ number: Int64, _ count: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
        }
        let isPlain = (0...9999).contains(date.year)
        let year = isPlain ? digits(date.year, 4) : (date.year < 0 ? "-" : "+") + digits(abs(date.year), 6)
        let seconds = milliseconds / 1000
        let fraction = milliseconds % 1000 == 0 ? "" : "." + digits(milliseconds % 1000, 3)
        return "\(year)-\(digits(date.month, 2))-\(digits(date.day, 2))T\(digits(seconds / 3600, 2)):"
            + "\(digits(seconds / 60 % 60, 2)):\(digits(seconds % 60, 2))\(fraction)Z"
    }

    /// By the Gregorian calendar, also before there was one: eras of 400 years that begin in March.
    private static func date(ofDay days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let ofEra = shifted - era * 146_097
        let yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36_524 - ofEra / 146_096) / 365
        let ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let march = (5 * ofYear + 2) / 153
        let month = march < 10 ? march + 3 : march - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, ofYear - (153 * march + 2) / 5 + 1)
    }
}
