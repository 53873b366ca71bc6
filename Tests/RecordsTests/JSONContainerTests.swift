import Records
import Testing

@Suite("JSON container")
struct JSONContainerTests {
    private func elements(_ text: String) throws(DecodingFailure) -> [Value] {
        try Message(text).read { (bytes) throws(DecodingFailure) in
            try JSONContainer().withElements(of: bytes) { $0.map(Value.init) }
        }.get()
    }

    private func members(_ text: String) throws(DecodingFailure) -> [String] {
        let container = JSONContainer()
        return try Message(text).read { (bytes) throws(DecodingFailure) in
            try container.members(of: bytes).map { "\($0.name): \(Value($0.value))" }
        }.get()
    }

    @Test("an array's elements come in order, nested ones as raw text")
    func arrays() throws {
        #expect(try elements("[]") == [])
        #expect(try elements(" [ ] ") == [])
        #expect(
            try elements(#"[1.50, "a\n", null, true, false, [1, [2]], {"x": [ ]}, ""]"#)
                == [
                    .number("1.50"), .string("a\n"), .null, .true, .false, .array("[1, [2]]"), .object(#"{"x": [ ]}"#),
                    .string(""),
                ])
    }

    @Test("an object's members come in order, repeated ones too")
    func objects() throws {
        #expect(try members("{}") == [])
        #expect(
            try members(#"{"a": 1, "n\u0061me": "\u00e9", "o": {"p": []}, "a": null}"#)
                == ["a: number 1", "name: string é", #"o: object {"p": []}"#, "a: null"])
    }

    @Test("what was handed out stays valid while other containers are opened, until the reset")
    func lifetime() throws {
        let container = JSONContainer()
        let text = Message(#"[["\u0041", "\u0042"], {"k\u0065y": "\u0043"}, "\u0044"]"#)
        for _ in 0..<3 {
            container.reset()
            let found = try text.read { (bytes) throws(DecodingFailure) -> [Value] in
                let outer = try container.elements(of: bytes)
                let inner = try container.elements(of: outer[0].bytes)
                let members = try container.members(of: outer[1].bytes)
                for _ in 0..<1000 { _ = try container.elements(of: outer[0].bytes) }
                return [outer[2], inner[0], inner[1], members[0].value].map(Value.init)
            }.get()
            #expect(found == [.string("D"), .string("A"), .string("B"), .string("C")])
        }
    }

    @Test(
        "what is not the container that was asked for is refused",
        arguments: ["1", "\"[]\"", "[1", "[1,]", "[1] 2", "[[1]", "[1}", "[{]}", "{\"a\":1", "{\"a\"}", "{1}", "nul"])
    func refused(text: String) {
        #expect(throws: DecodingFailure.self) { try elements(text) }
        #expect(throws: DecodingFailure.self) { try members(text) }
    }

    @Test("an object is no array, and an array no object")
    func otherKind() {
        #expect { try elements("{}") } throws: { ($0 as? DecodingFailure)?.reason == .invalidSyntax }
        #expect { try members("[]") } throws: { ($0 as? DecodingFailure)?.reason == .invalidSyntax }
        #expect { try elements("") } throws: { ($0 as? DecodingFailure)?.reason == .empty }
    }

    @Test("depth is bounded")
    func depth() {
        let text = String(repeating: "[", count: 10_000) + String(repeating: "]", count: 10_000)
        #expect { try elements(text) } throws: { ($0 as? DecodingFailure)?.reason == .tooDeep }
    }
}

extension JSONContainer {
    /// The container must outlive its elements.
    fileprivate func withElements<Result>(
        of array: UnsafeRawBufferPointer, _ body: ([Field]) -> Result
    ) throws(DecodingFailure) -> Result {
        let elements = try elements(of: array)
        return withExtendedLifetime(self) { body(elements) }
    }
}
