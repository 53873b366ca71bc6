import Records

/// Takes from a batch's values the compression that their headers name.
///
/// Belongs to one thread.
final class ValueCompression {
    private let decompressor = Decompressor()
    private var failure: DecodingFailure?

    /// - Parameter padding: how many bytes behind the result can be read.
    /// - Returns: the value as it was before its producer compressed it, valid until the next call; nil where nobody did.
    @inline(__always)
    func value(
        of message: Int, in batch: Batch, padding: Int
    ) throws(DecodingFailure) -> UnsafeRawBufferPointer? {
        // Most messages have no header at all.
        guard batch.messages[message].headersCount > 0 else { return nil }
        return try decompressed(message, batch, padding)
    }

    @inline(never)
    private func decompressed(
        _ message: Int, _ batch: Batch, _ padding: Int
    ) throws(DecodingFailure) -> UnsafeRawBufferPointer? {
        decompressor.reset()
        batch.forEachHeader(of: message) { name, value in
            guard name.isWord("content-encoding"), let value else { return true }
            do throws(DecodingFailure) {
                try decompressor.add(value)
                return true
            } catch {
                failure = error
                return false
            }
        }
        if let failure = failure.take() { throw failure }
        guard let value = batch.value(of: message) else { return nil }
        return try decompressor.value(of: value, padding: padding)
    }
}
