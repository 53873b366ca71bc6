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
