/// What decides how the server reads values from text and writes them as text, whatever the role's or the database's
/// defaults are.
public enum ValueSettings {
    /// For what is read.
    public static let read: [(name: String, value: String)] = [
        ("TimeZone", "UTC"), ("DateStyle", "ISO, MDY"), ("IntervalStyle", "postgres"), ("array_nulls", "on"),
        ("xmloption", "content"), ("standard_conforming_strings", "on"),
    ]

    /// For what is written, to be read again.
    public static let written = read + [("extra_float_digits", "1")]
}
