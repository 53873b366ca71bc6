import Foundation

/// Random inputs for a property that must hold of all of them: a slice in the ordinary suite, minutes under
/// `scripts/fuzz`, which says so in the environment.
public enum Fuzzing {
    /// An input, or a row of them, that breaks the property.
    public struct Found: Error, CustomStringConvertible {
        public let description: String

        public init(description: String) { self.description = description }
    }

    private static func variable(_ name: String) -> String? { ProcessInfo.processInfo.environment[name] }

    /// Tries a property in rounds, each with a generator of its own, until one fails.
    ///
    /// - Parameters:
    ///   - count: how many rounds there are without `FUZZ_MINUTES`.
    ///   - round: returns how many inputs it has tried.
    /// - Throws: `Found`, with the seed of the round that failed: `scripts/fuzz --seed` begins with it.
    public static func rounds(
        _ count: Int, of target: String, _ round: (inout SeededGenerator) throws -> Int
    ) throws {
        let minutes = variable("FUZZ_MINUTES").flatMap { Double($0) }
        // A slice has the same inputs each time: finding something new is what minutes are for, not what an unrelated
        // change should fail of.
        let first = variable("FUZZ_SEED").flatMap { UInt64($0) } ?? (minutes == nil ? 1 : .random(in: 0 ... .max))
        let began = ContinuousClock.now
        let end = minutes.map { began + .seconds($0 * 60) }
        var inputs = 0
        var done = 0
        while end.map({ ContinuousClock.now < $0 }) ?? (done < count) {
            var generator = SeededGenerator(seed: first &+ UInt64(done))
            do {
                inputs += try round(&generator)
            } catch {
                throw Found(description: "\(target), seed \(generator.seed): \(error)")
            }
            done += 1
        }
        let time = (ContinuousClock.now - began).formatted(.units(allowed: [.minutes, .seconds], width: .narrow))
        print("fuzz \(target): \(inputs) inputs in \(done) rounds and \(time), none of them broke it; seed \(first)")
    }
}
