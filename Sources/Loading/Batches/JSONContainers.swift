import Postgres
import Records

/// Lets the encoders of SQL arrays and composites look into JSON arrays and objects.
final class JSONContainers: ContainerReader {
    private let container = JSONContainer()
    /// Holds the text of `scalar`, because what the container hands out points into it.
    private var scalarText = CopyBuffer(capacity: 256)

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

    /// A JSON text that is not nested, as a value that is good until the next call; nil if it is no JSON.
    func scalar(_ text: UnsafeRawBufferPointer) -> InputValue? {
        scalarText.removeAll(keepingAtMost: 64 << 10)
        scalarText.append(byte: UInt8(ascii: "["))
        scalarText.append(text)
        scalarText.append(byte: UInt8(ascii: "]"))
        _ = scalarText.reserve(JSONRecordDecoder.padding)
        guard let fields = try? container.elements(of: scalarText.bytes), fields.count == 1 else { return nil }
        return InputValue(fields[0])
    }
}
