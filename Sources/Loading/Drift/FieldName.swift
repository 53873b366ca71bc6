/// Whether a field's name may be shown: not where it looks like a value, as in an object that has ids, addresses or people
/// for names.
package enum FieldName {
    /// As long as a column's name can be, in bytes.
    static let longest = 63

    package static func isShown(_ name: String) -> Bool {
        guard let first = name.unicodeScalars.first, name.utf8.count <= longest,
            first.properties.isAlphabetic || "_$@".unicodeScalars.contains(first)
        else { return false }
        var digits = 0
        var run = 0
        for scalar in name.unicodeScalars.dropFirst() {
            guard scalar.properties.isAlphabetic || isDigit(scalar) || "_-.$:/".unicodeScalars.contains(scalar) else {
                return false
            }
            run = isDigit(scalar) ? run + 1 : 0
            if isDigit(scalar) { digits += 1 }
            if run > 3 || digits > 4 { return false }
        }
        return !name.split(whereSeparator: { "_-.$:/".contains($0) }).contains { isHexadecimal($0) }
    }

    private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { ("0"..."9").contains(scalar) }

    /// `deadbeef01`, not `facade` or `decade99`.
    private static func isHexadecimal(_ word: Substring) -> Bool {
        word.count >= 8 && word.allSatisfy(\.isHexDigit) && word.count(where: \.isNumber) >= 2
    }
}
