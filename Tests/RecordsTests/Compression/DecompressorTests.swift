import Records
import TestSupport
import Testing

@Suite("Values that their producer has compressed")
struct DecompressorTests {
    /// Python's zlib and gzip have made these.
    private static let text = #"{"n": 7, "name": ""# + String(repeating: "x", count: 200) + #""}"#
    private static let gzip = "1f8b0800000000000203ab56ca53b25230d75150ca4bcc4d0532952a860950aa05005a618815dc000000"
    private static let zlib = "789cab56ca53b25230d75150ca4bcc4d0532952a860950aa0500358462cb"
    private static let bare = "ab56ca53b25230d75150ca4bcc4d0532952a860950aa0500"

    /// A frame of zstd (RFC 8878) with these bytes as they are, and how many they are where it says so.
    private static func zstd(_ bytes: [UInt8], saysSize: Bool = true) -> [UInt8] {
        let block = UInt32(bytes.count) << 3 | 1
        let head: [UInt8] =
            saysSize
            ? [0xA0] + (0..<4).map { UInt8(truncatingIfNeeded: bytes.count >> (8 * $0)) } : [0x00, 0x50]
        return [0x28, 0xB5, 0x2F, 0xFD] + head + (0..<3).map { UInt8(truncatingIfNeeded: block >> (8 * $0)) } + bytes
    }

    /// A frame that repeats a byte so many times 128 KiB.
    private static func bomb(_ blocks: Int) -> [UInt8] {
        var frame: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x88]
        for block in 1...blocks {
            let head = UInt32(128 << 10) << 3 | 1 << 1 | (block == blocks ? 1 : 0)
            frame += (0..<3).map { UInt8(truncatingIfNeeded: head >> (8 * $0)) } + [0x20]
        }
        return frame
    }

    private func read(_ bytes: [UInt8], _ headers: [String], by decompressor: Decompressor) -> String? {
        bytes.withUnsafeBytes { value in
            do throws(DecodingFailure) {
                decompressor.reset()
                for header in headers {
                    var failure: DecodingFailure?
                    var header = header
                    header.withUTF8 { text in
                        do throws(DecodingFailure) {
                            try decompressor.add(UnsafeRawBufferPointer(text))
                        } catch {
                            failure = error
                        }
                    }
                    if let failure { throw failure }
                }
                return try decompressor.value(of: value, padding: 64).map { String(decoding: $0, as: UTF8.self) }
            } catch {
                return "\(error.reason): \(error.words)"
            }
        }
    }

    private func read(_ bytes: [UInt8], _ headers: String...) -> String? { read(bytes, headers, by: Decompressor()) }

    @Test("each encoding gives what was compressed, in any case, and several in the order that they came")
    func encodings() throws {
        let gzip = try #require(Self.gzip.asBytes)
        let zlib = try #require(Self.zlib.asBytes)
        for name in ["gzip", " GZip\t", "x-gzip", "identity, gzip"] { #expect(read(gzip, name) == Self.text) }
        #expect(read(zlib, "deflate") == Self.text)
        #expect(read(try #require(Self.bare.asBytes), "deflate") == Self.text)
        #expect(read(gzip + gzip, "gzip") == Self.text + Self.text)
        let plain = Array(Self.text.utf8)
        for saysSize in [true, false] {
            #expect(read(Self.zstd(plain, saysSize: saysSize), "zstd") == Self.text)
            #expect(read(Self.zstd(gzip, saysSize: saysSize), "gzip, zstd") == Self.text)
        }
        #expect(read(Self.zstd(Self.zstd(zlib)), "deflate", "zstd,zstd") == Self.text)
        #expect(read(plain, "identity") == nil)
        #expect(read(plain) == nil)
    }

    @Test("a decompressor serves one value after another, however large, and after a damaged one")
    func again() throws {
        let gzip = try #require(Self.gzip.asBytes)
        let decompressor = Decompressor()
        for _ in 0..<3 {
            #expect(read(gzip, ["gzip"], by: decompressor) == Self.text)
            #expect(read(Self.bomb(200), ["zstd"], by: decompressor)?.utf8.count == 200 << 17)
            #expect(read(Array(gzip.dropLast(9)), ["gzip"], by: decompressor)?.contains("ends too early") == true)
            #expect(read(Self.zstd(Array("a".utf8)), ["zstd"], by: decompressor) == "a")
        }
    }

    @Test("what is damaged, torn or not compressed so is refused")
    func refused() throws {
        let gzip = try #require(Self.gzip.asBytes)
        for end in 0..<gzip.count {
            #expect(read(Array(gzip[..<end]), "gzip")?.hasPrefix("invalidSyntax: is no gzip") == true)
        }
        var damaged = gzip
        damaged[gzip.count - 6] ^= 1
        #expect(read(damaged, "gzip") == "invalidSyntax: is no gzip, as its header content-encoding says")
        #expect(read(Array(Self.text.utf8), "gzip")?.hasPrefix("invalidSyntax: is no gzip") == true)
        #expect(read(Array(Self.text.utf8), "zstd") == "invalidSyntax: is no zstd, as its header content-encoding says")
        #expect(read(Array(Self.zstd([1, 2, 3]).dropLast()), "zstd")?.hasPrefix("invalidSyntax: is no zstd") == true)
        #expect(read([], "deflate")?.hasPrefix("invalidSyntax: is no deflate") == true)
        #expect(read(gzip, "br")?.contains("is compressed with br, by") == true)
        #expect(read(gzip, "gzip, my-secret")?.contains("with something that nobody knows here") == true)
        #expect(read(gzip, "my-secret")?.contains("my-secret") == false)
    }

    @Test("what a few bytes become has an end")
    func bombs() throws {
        let decompressor = Decompressor(limit: 1 << 20)
        #expect(read(Self.bomb(8), ["zstd"], by: decompressor)?.utf8.count == 1 << 20)
        #expect(
            read(Self.bomb(9), ["zstd"], by: decompressor)
                == "invalidSyntax: is more than 1 MiB without its compression")
        // The size that a frame says of itself is no reason to believe it.
        let boasting: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0xE0] + [UInt8](repeating: 0x7F, count: 8) + [1, 0, 0]
        #expect(read(boasting, ["zstd"], by: decompressor)?.hasPrefix("invalidSyntax") == true)
        // A MiB of one byte in gzip, by Python: the head, then one block that repeats itself.
        let gzip = try #require(Self.gzip.asBytes)
        let many = Array([[UInt8]](repeating: gzip, count: 4767).joined())
        #expect(read(many, ["gzip"], by: decompressor) == "invalidSyntax: is more than 1 MiB without its compression")
        #expect(read(Array(many.prefix(gzip.count * 4766)), ["gzip"], by: decompressor)?.utf8.count == 4766 * 220)
    }

    @Test("any bytes are decompressed or refused")
    func hostile() throws {
        let gzip = try #require(Self.gzip.asBytes)
        let decompressor = Decompressor(limit: 1 << 20)
        try Fuzzing.rounds(2, of: "compressed values") { generator in
            for _ in 0..<200 {
                for (bytes, name) in [
                    (gzip, "gzip"), (Self.zstd(gzip), "zstd"), (Self.bomb(1), "zstd"), (Array(gzip[10...]), "deflate"),
                ] {
                    var changed = bytes
                    for _ in 0..<Int.random(in: 1...4, using: &generator) {
                        changed[Int.random(in: changed.indices, using: &generator)] = .random(
                            in: 0 ... .max, using: &generator)
                    }
                    _ = read(changed, [name], by: decompressor)
                }
            }
            return 800
        }
    }
}
