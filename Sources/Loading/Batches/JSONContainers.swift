import Postgres
import Records

/// Lets the encoders of SQL arrays and composites look into JSON arrays and objects.
final class JSONContainers: ContainerReader {
    private let container = JSONContainer()
    /// Holds the text of `document`, because what the container hands out points into it.
    private var documentText = CopyBuffer(capacity: 256)
    private var decodedBytes = CopyBuffer(capacity: 256)

    /// Begins a row: what was opened for the one before is forgotten.
    func reset() { container.reset() }

    func elements(of array: InputValue) throws(EncodingFailure) -> [InputValue] {
        do {
            return try container.elements(of: array.bytes).map { InputValue($0) }
        } catch {
            throw EncodingFailure(.badSyntax, found: array.kind)
        }
    }

    func members(of object: InputValue) throws(EncodingFailure) -> [(name: String, value: InputValue)] {
        do {
            // A name that comes twice: the last one counts, as in a column's own field.
            var members: [(name: String, value: InputValue)] = []
            for member in try container.members(of: object.bytes) {
                members.removeAll { $0.name == member.name }
                members.append((member.name, InputValue(member.value)))
            }
            return members
        } catch {
            throw EncodingFailure(.badSyntax, found: object.kind)
        }
    }

    func document(_ text: UnsafeRawBufferPointer) throws(EncodingFailure) -> InputValue {
        let text = text.withoutByteOrderMark
        documentText.removeAll(keepingAtMost: 64 << 10)
        documentText.append(byte: UInt8(ascii: "["))
        documentText.append(text)
        documentText.append(byte: UInt8(ascii: "]"))
        _ = documentText.reserve(JSONRecordDecoder.padding)
        do {
            let fields = try container.elements(of: documentText.bytes)
            if fields.count == 1 { return InputValue(fields[0]) }
        } catch  where error.reason == .invalidUTF8 {
            throw EncodingFailure(.invalidUTF8, found: .string)
        } catch {}
        throw EncodingFailure(.noDocument, found: .string)
    }

    func bytes(
        of text: UnsafeRawBufferPointer, decodedBy decoding: Decoding
    ) throws(EncodingFailure) -> UnsafeRawBufferPointer {
        decodedBytes.removeAll(keepingAtMost: 64 << 10)
        guard decodedBytes.append(text, decodedBy: decoding) else {
            throw EncodingFailure(.undecodable, found: .string)
        }
        return decodedBytes.bytes
    }
}

extension UnsafeRawBufferPointer {
    /// Without the three bytes that some programs put before UTF-8, and that RFC 8259 (8.1) lets a reader pass over.
    var withoutByteOrderMark: UnsafeRawBufferPointer {
        guard count >= 3, self[0] == 0xEF, self[1] == 0xBB, self[2] == 0xBF else { return self }
        return UnsafeRawBufferPointer(rebasing: self[3...])
    }
}
