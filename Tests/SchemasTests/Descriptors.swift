import Foundation
import Records

/// Files of Protobuf as descriptors, made by hand.
enum Descriptors {
    /// Package shop: message First { int32 first = 1; }, message Second { int32 second = 1; message Inner { int32 inner = 1; } }
    static func threeMessages() throws -> ProtobufSchema {
        try ProtobufSchema(descriptors: threeMessagesFile(), imports: [])
    }

    static func threeMessagesFile() -> [UInt8] {
        let (first, second, inner) = (
            message("First", "first"), message("Second", "second"), message("Inner", "inner")
        )
        return part(1, Array("shop.proto".utf8)) + part(2, Array("shop".utf8)) + part(4, first)
            + part(4, second + part(3, inner)) + part(12, Array("proto3".utf8))
    }

    private static func message(_ name: String, _ field: String) -> [UInt8] {
        // Optional, of int32.
        part(1, Array(name.utf8)) + part(2, part(1, Array(field.utf8)) + [0x18, 1, 0x20, 1, 0x28, 5])
    }

    private static func part(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
        [number << 3 | 2, UInt8(bytes.count)] + bytes
    }
}
