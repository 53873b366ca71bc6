extension FieldPath {
    /// Splits at dots, but not at `\.`; nil if a part is empty.
    public init?(parsing text: Substring) {
        var components = [""]
        var isEscaped = false
        for character in text {
            if isEscaped {
                if character != "." && character != "\\" { components[components.count - 1].append("\\") }
                components[components.count - 1].append(character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else if character == "." {
                components.append("")
            } else {
                components[components.count - 1].append(character)
            }
        }
        if isEscaped { components[components.count - 1].append("\\") }
        guard components.allSatisfy({ !$0.isEmpty }) else { return nil }
        self.init(components)
    }
}
