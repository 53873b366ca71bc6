import ArgumentParser

/// What of a seed's plan is left out, as a failure that was made smaller says it.
struct TrimOptions: ParsableArguments {
    @Option(help: "Leaves faults out, by their names: `kill-2,silence`.")
    var without: String?
    @Option(help: "At most so many of a measure: `messages=3`. More than once for several.")
    var most: [String] = []
    @Option(help: "Draws another order of the same plan.")
    var order = 0

    var trim: Trim {
        get throws {
            var trim = Trim(without: Set((without ?? "").split(separator: ",").map(String.init)), order: order)
            for text in most {
                let parts = text.split(separator: "=")
                guard parts.count == 2, let measure = Trim.Measure(rawValue: String(parts[0])),
                    let count = Int(parts[1]),
                    count > 0
                else {
                    let measures = Trim.Measure.allCases.map(\.rawValue).joined(separator: ", ")
                    throw ValidationError("--most \(text): one of \(measures), and a number above 0, as in messages=3")
                }
                trim.most[measure] = count
            }
            return trim
        }
    }
}
