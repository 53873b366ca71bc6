import Records
import Testing

@Suite("Messages of one value")
struct PlainDecoderTests {
    private func decode(_ form: PlainDecoder.Form, _ bytes: [UInt8]) -> Result<[Field], DecodingFailure> {
        let decoder = PlainDecoder(form, paths: [FieldPath([]), FieldPath(["a"]), FieldPath([])])
        let padded = bytes + [UInt8](repeating: 0xFF, count: decoder.padding)
        return padded.withUnsafeBytes { memory in
            do throws(DecodingFailure) {
                return .success(Array(try decoder.decode(UnsafeRawBufferPointer(rebasing: memory[..<bytes.count]))))
            } catch {
                return .failure(error)
            }
        }
    }

    private static let uuid = "a0EEbc99-9c0b-4ef8-bb6d-6bb9bd380a11"

    @Test("the whole is the field of the empty path, wherever it is asked for, and nothing else is there")
    func whole() throws {
        let fields = try decode(.text, Array("é".utf8)).get()
        #expect(fields.map(\.kind) == [.string, .absent, .string])
        #expect(try decode(.text, []).get()[0].bytes.isEmpty)
        #expect(try decode(.bytes, [0xFF, 0]).get().map(\.kind) == [.bytes, .absent, .bytes])
    }

    @Test("numbers have a sign and their highest byte first")
    func numbers() throws {
        let cases: [(PlainDecoder.Form, [UInt8], Int64)] = [
            (.short, [0x80, 0], -32768), (.short, [1, 2], 258), (.int, [0xFF, 0xFF, 0xFF, 0xFE], -2),
            (.long, [0x7F] + [UInt8](repeating: 0xFF, count: 7), .max), (.long, [0x80, 0, 0, 0, 0, 0, 0, 0], .min),
        ]
        for (form, bytes, number) in cases {
            let field = try decode(form, bytes).get()[0]
            #expect(field.kind == .integer)
            #expect(Int64(bitPattern: field.first) == number, "\(form)")
        }
    }

    @Test("floating-point numbers have their highest byte first, with infinities and NaN as they are")
    func floats() throws {
        for value in [1.5, -0.0, .infinity, .nan, .leastNonzeroMagnitude] as [Double] {
            let bytes = withUnsafeBytes(of: value.bitPattern.bigEndian) { Array($0) }
            let field = try decode(.double, bytes).get()[0]
            #expect(field.kind == .double && field.first == value.bitPattern)
        }
        let float = try decode(.float, [0xC0, 0x49, 0x0F, 0xDB]).get()[0]
        #expect(float.kind == .float && float.first == UInt64(Float(-3.1415927).bitPattern))
    }

    @Test("a UUID is its text or its sixteen bytes")
    func uuids() throws {
        for bytes in [
            Array(Self.uuid.utf8),
            [0xA0, 0xEE, 0xBC, 0x99, 0x9C, 0x0B, 0x4E, 0xF8, 0xBB, 0x6D, 0x6B, 0xB9, 0xBD, 0x38, 0x0A, 0x11],
        ] {
            let field = try decode(.uuid, bytes).get()[0]
            #expect(field.kind == .uuid)
            #expect([field.first, field.second] == [0xA0EE_BC99_9C0B_4EF8, 0xBB6D_6BB9_BD38_0A11])
        }
    }

    @Test("what is no such value is refused with what was wanted and what was found")
    func refused() {
        func words(_ form: PlainDecoder.Form, _ bytes: [UInt8]) -> String {
            guard case .failure(let failure) = decode(form, bytes) else { return "taken" }
            return "\(failure.reason) \(failure.words)" + (failure.offset.map { " at \($0)" } ?? "")
        }
        #expect(
            words(.long, [1, 2, 3, 4]) == "invalidSyntax is no long as Java writes it: that has 8 bytes, and this has 4"
        )
        #expect(
            words(.double, [1, 2, 3, 4])
                == "invalidSyntax is no double as Java writes it: that has 8 bytes, and this has 4")
        #expect(words(.int, []) == "empty is no int as Java writes it: that has 4 bytes, and this has 0")
        #expect(words(.short, [1]) == "invalidSyntax is no short as Java writes it: that has 2 bytes, and this has 1")
        #expect(
            words(.uuid, [1]) == "invalidSyntax is no UUID: that has 36 characters or 16 bytes, and this has 1 bytes")
        for place in [0, 8, 23, 35] {
            var text = Array(Self.uuid.utf8)
            text[place] = UInt8(ascii: "g")
            #expect(words(.uuid, text).hasSuffix("where one belongs) at \(place)"))
        }
        #expect(words(.text, Array("aé".utf8) + [0x80, 0x61]) == "invalidUTF8 is not valid UTF-8 at 3")
        #expect(words(.text, [0xE2, 0x82]) == "invalidUTF8 is not valid UTF-8 at 0")
    }
}
