import Records
import Testing

@Suite("Values that were not sent")
struct UnavailableValueTests {
    private func isIn(_ value: String, _ text: String = UnavailableValue.debezium) -> Bool {
        let decoder = JSONRecordDecoder(paths: [FieldPath(["v"])])
        let message = Array("{\"v\":\(value)}".utf8)
        let padded = message + [UInt8](repeating: 0, count: decoder.padding)
        return padded.withUnsafeBytes { bytes in
            guard let fields = try? decoder.decode(UnsafeRawBufferPointer(rebasing: bytes[..<message.count])) else {
                return false
            }
            return UnavailableValue(text).isIn(fields[0], of: decoder)
        }
    }

    private static let numbers = "__debezium_unavailable_value".utf8.map { "\($0)" }.joined(separator: ",")

    @Test(
        "the placeholder is known in the form of each type",
        arguments: [
            #""__debezium_unavailable_value""#, #""X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==""#,
            #""5f5f646562657a69756d5f756e617661696c61626c655f76616c7565""#, #"["__debezium_unavailable_value"]"#,
            #"[ "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==" ]"#, "[\(numbers)]",
            #"["b68a35a7-17ad-35b3-af2a-ae46edb4545a"]"#,
            #"{"__debezium_unavailable_value":"__debezium_unavailable_value"}"#,
            #""{\"__debezium_unavailable_value\":\"__debezium_unavailable_value\"}""#,
        ])
    func forms(value: String) {
        #expect(isIn(value))
    }

    @Test(
        "what only looks like it is a value",
        arguments: [
            #""__debezium_unavailable_valu""#, #""__debezium_unavailable_value ""#, "null", "28", "true", "[]", "{}",
            #"["__debezium_unavailable_value","__debezium_unavailable_value"]"#, "[\(numbers),95]",
            #"["__debezium_unavailable_value "]"#, #"{"__debezium_unavailable_value":" __debezium_unavailable_value"}"#,
            #"{"a":"__debezium_unavailable_value"}"#, #"["b68a35a7-17ad-35b3-af2a-ae46edb4545b"]"#,
        ])
    func others(value: String) {
        #expect(!isIn(value))
    }

    @Test("a placeholder of one's own is text, or bytes in hexadecimal")
    func own() {
        #expect(isIn(#""gone""#, "gone") && !isIn(#""__debezium_unavailable_value""#, "gone"))
        #expect(isIn(#""gone""#, "hex:676f6e65") && isIn(#""Z29uZQ==""#, "hex:676F6E65"))
        // MD5 of abc is 900150983cd24fb0d6963f7d28e17f72.
        #expect(isIn(#"["90015098-3cd2-3fb0-9696-3f7d28e17f72"]"#, "abc"))
    }

    @Test("lists and maps of formats that are no text are looked into")
    func items() {
        func text(_ text: String) -> [UInt8] { [0xA0 | UInt8(text.utf8.count)] + Array(text.utf8) }
        let text28 = text(UnavailableValue.debezium)
        let bytes: [UInt8] = [0xC4, 28] + Array(UnavailableValue.debezium.utf8)
        let values: [([UInt8], Bool)] = [
            ([0x91] + text28, true), ([0x91] + bytes, true), (bytes, true), ([0x81] + text28 + text28, true),
            ([0x91, 95], false),
            ([0xDC, 0, 28] + Array(UnavailableValue.debezium.utf8), true), ([0x92] + text28 + text28, false),
            ([0x81] + text("a") + text28, false), ([0x90], false),
        ]
        for (value, isPlaceholder) in values {
            let decoder = MessagePackRecordDecoder(paths: [FieldPath(["v"])])
            let message = [0x81] + text("v") + value
            let padded = message + [UInt8](repeating: 0, count: decoder.padding)
            padded.withUnsafeBytes { memory in
                let fields = try? decoder.decode(UnsafeRawBufferPointer(rebasing: memory[..<message.count]))
                let isFound = fields.map { UnavailableValue(UnavailableValue.debezium).isIn($0[0], of: decoder) }
                #expect(isFound == isPlaceholder)
            }
        }
    }
}
