import Foundation
import TestSupport

/// Messages that Confluent's own serializers have made, by `scripts/lib/registry-cases`.
struct RegistryCases: Decodable {
    var key: String
    var value: String
    var headers: [[String]]
    var schema: Int
    /// What the message says, as a producer of JSON would have written it.
    var json: String

    static let missing = "confluent-kafka[schemaregistry,avro] is not installed; scripts/test does"
    static let isThere = PythonScript.has("confluent_kafka.schema_registry.avro")

    /// - Parameters:
    ///   - url: of a registry, which has their schemas then.
    ///   - script: which makes them.
    ///   - arguments: what else it takes.
    static func make(
        _ url: String, by script: String = "registry-cases", _ arguments: String...
    ) throws -> [RegistryCases] {
        try PythonScript.lines(of: script, [url] + arguments).map {
            try JSONDecoder().decode(RegistryCases.self, from: $0)
        }
    }

    static func bytes(_ hexadecimal: String) -> [UInt8] {
        let digits = Array(hexadecimal.utf8)
        return stride(from: 0, to: digits.count, by: 2).compactMap {
            UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)
        }
    }
}

/// Small messages in Avro, made by hand.
enum AvroMessage {
    /// Of `{"n": long}`.
    static let schema = #"{"type":"record","name":"Number","fields":[{"name":"n","type":"long"}]}"#

    static func framed(_ id: Int, _ numbers: Int...) -> [UInt8] {
        [0] + withUnsafeBytes(of: Int32(id).bigEndian) { Array($0) } + numbers.flatMap(long)
    }

    /// The schema that a message names.
    static func id(_ value: [UInt8]) -> Int { value[1..<5].reduce(0) { $0 << 8 | Int($1) } }

    static func long(_ number: Int) -> [UInt8] {
        var rest = UInt64(bitPattern: Int64(number << 1) ^ Int64(number >> 63))
        var bytes: [UInt8] = []
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    /// The number of a message of `framed`.
    static func number(_ value: UnsafeRawBufferPointer) -> Int64? {
        guard value.count > 5 else { return nil }
        var (word, shift): (UInt64, UInt64) = (0, 0)
        for byte in value[5...] {
            word |= UInt64(byte & 0x7F) << shift
            shift += 7
        }
        return Int64(bitPattern: word >> 1) ^ -Int64(bitPattern: word & 1)
    }
}
