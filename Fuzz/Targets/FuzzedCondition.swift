import Records

/// The text of a condition, and then a message that it is asked of.
enum FuzzedCondition {
    static func text(_ input: UnsafeRawBufferPointer) {
        let (text, message) = input.divided
        guard let condition = try? Condition(String(decoding: text, as: UTF8.self)) else { return }
        let program = ConditionProgram(condition)
        // Any field of a message may be what a source is.
        let decoder = JSONRecordDecoder(paths: ["a", "b", "c", "d"].map { FieldPath([$0]) })
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: message.count + decoder.padding, alignment: 1)
        defer { memory.deallocate() }
        memory.copyMemory(from: message)
        for place in message.count..<memory.count { memory[place] = 0 }
        let fields = try? decoder.decode(UnsafeRawBufferPointer(rebasing: memory[..<message.count]))
        for place in program.values.indices {
            program.values[place] =
                fields.map { $0[place % 4] } ?? .decimal(UnsafeRawBufferPointer(rebasing: memory[..<message.count]), scale: 2)
        }
        _ = try? program.holds()
    }

    static let texts: [[UInt8]] = [
        ("a = 'x' and b >= -1.5e3 or not (c in (1, 2) and d is not null)", #"{"a":"x","b":-1500,"c":null,"d":[]}"#),
        (#"a like '%x\_y_' and exists b and "c d" <> 18446744073709551616"#, #"{"a":"xx_yz","b":null}"#),
        ("a < 0.001", "\u{1}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}"), ("a = '2026-01-31T09:30:00+02:00'", "{}"),
    ].map { .joined(Array($0.0.utf8), Array($0.1.utf8)) }
}
