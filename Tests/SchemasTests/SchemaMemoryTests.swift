import Records
import Testing

@testable import Schemas

@Suite("What is known of schemas")
struct SchemaMemoryTests {
    /// A memory, and a clock that only the test moves.
    private final class World {
        var memory = SchemaMemory()
        var now = ContinuousClock.now
        /// How often somebody asked the registry.
        var asked = 0
        var waited = Duration.zero

        /// Follows the steps for an id that the registry does not have.
        func seekInVain(_ number: Int32) -> SchemaMemory.Unknown? {
            let id = SchemaID.number(number)
            while true {
                switch memory.step(id, at: now) {
                case .known: return nil
                case .unknown(let why): return why
                case .wait(let duration):
                    waited += duration
                    now += duration
                case .ask:
                    asked += 1
                    memory.noteUnknown(id, at: now)
                }
            }
        }

        func isKnown(_ number: Int32) -> Bool {
            if case .known = memory.step(.number(number), at: now) { true } else { false }
        }

        func isAsked(_ number: Int32) -> Bool {
            if case .ask = memory.step(.number(number), at: now) { true } else { false }
        }
    }

    @Test("what is known is known for ever, and asked for once")
    func known() {
        let world = World()
        #expect(world.isAsked(7))
        world.memory.note(RegisteredSchema(.json(nil)), for: .number(7))
        world.now += .seconds(1_000_000)
        #expect(world.isKnown(7))
        world.memory.noteUnknown(.number(7), at: world.now)
        #expect(world.isKnown(7), "another thread may have asked before it was there")
    }

    @Test("an id that is not there is asked for again for ten seconds, and known if it comes")
    func patience() {
        let world = World()
        #expect(world.seekInVain(7) == .said)
        #expect(world.waited == SchemaMemory.patience)
        #expect((4...12).contains(world.asked))

        let other = World()
        other.memory.noteUnknown(.number(8), at: other.now)
        other.now += .seconds(3)
        #expect(other.isAsked(8))
        other.memory.note(RegisteredSchema(.json(nil)), for: .number(8))
        #expect(other.isKnown(8))
    }

    @Test("an id that stays unknown is asked for again after a minute, without a wait")
    func oblivion() {
        let world = World()
        _ = world.seekInVain(7)
        let (asked, waited) = (world.asked, world.waited)
        #expect(world.seekInVain(7) == .said)
        world.now += .seconds(59)
        #expect(world.seekInVain(7) == .said)
        #expect(world.asked == asked)
        world.now += .seconds(2)
        #expect(world.seekInVain(7) == .said)
        #expect(world.asked == asked + 1 && world.waited == waited)
    }

    @Test("however much garbage comes, and for however long, it costs one wait")
    func garbage() {
        let world = World()
        for number in Int32(1)...5000 {
            _ = world.seekInVain(number)
            world.now += .milliseconds(100)
        }
        #expect(world.waited == SchemaMemory.patience)
        #expect(world.memory.count < 10_000)
    }

    @Test("whoever was unknown for a while is waited for again once nothing is unknown for a minute")
    func patienceReturns() {
        let world = World()
        _ = world.seekInVain(1)
        world.now += .seconds(61)
        let before = world.waited
        _ = world.seekInVain(2)
        #expect(world.waited == before + SchemaMemory.patience)
    }

    @Test("beyond a hundred unknown ids others are not asked for, until ten a second are again")
    func allowance() {
        let world = World()
        _ = world.seekInVain(1)
        world.now += .seconds(30)
        for number in Int32(2)...101 { #expect(world.seekInVain(number) == .said) }
        let asked = world.asked
        for number in Int32(200)...5000 { #expect(world.seekInVain(number) == .notAsked) }
        #expect(world.asked == asked)
        world.now += .seconds(1)
        let told = (Int32(6000)..<6020).map { world.seekInVain($0) }
        #expect(told.count { $0 == .said } == 10)
        #expect(told.count { $0 == .notAsked } == 10)
    }

    @Test("ids that are there cost nothing of what unknown ones may")
    func honest() {
        let world = World()
        for number in Int32(1)...5000 {
            #expect(world.isAsked(number))
            world.memory.note(RegisteredSchema(.json(nil)), for: .number(number))
        }
        #expect(world.isAsked(6000))
    }
}
