import Records

/// What is done with each message of the topics that share the same routes: decoded once, then a row for each route.
package struct MessagePlan: Sendable {
    /// Where a column finds its value.
    enum Input: Sendable {
        /// The position among the decoder's paths.
        case field(Int)
        case keyField(Int)
        /// The field if the message's key is a JSON object, else the whole key.
        case keyFieldOrKey(Int)
        case source(ColumnSource)
    }

    /// The positions of the routes, in the order of the configuration.
    var targets: [Int]
    /// For each of `targets`, for each of its columns.
    var inputs: [[Input]]
    /// For each of `targets`, where a tombstone's key finds each key column in the message's key.
    var tombstoneInputs: [[Input]]
    package private(set) var valuePaths: [FieldPath]
    /// How values are read, and how keys are.
    let format: MessageFormat
    let keyFormat: MessageFormat
    var keyPaths: [FieldPath]
    /// Whether messages with a value need a field of the key, too.
    var rowsNeedKey: Bool
    /// Values may be in an envelope of Connect's, and no path leads to the envelope itself.
    let opensEnvelopes: Bool
    /// Where all of a value is among `valuePaths`, and all of a key among `keyPaths`, for those who want it as the decoder
    /// reads it; nil where nobody does.
    private(set) var wholeValue: Int?
    private(set) var wholeKey: Int?

    /// - Parameters:
    ///   - format: nil for that of the routes, which have one in common.
    ///   - keyFormat: likewise.
    package init(
        targets indices: [Int], of targets: [Target], format: MessageFormat? = nil, keyFormat: MessageFormat? = nil
    ) {
        self.targets = indices
        self.format = format ?? indices.first.map { targets[$0].messageFormat } ?? .json
        self.keyFormat = keyFormat ?? indices.first.map { targets[$0].keyMessageFormat } ?? .json
        inputs = []
        tombstoneInputs = []
        var valuePaths: [FieldPath] = []
        var keyPaths: [FieldPath] = []
        func position(_ path: FieldPath, in paths: inout [FieldPath]) -> Int {
            if let known = paths.firstIndex(of: path) { return known }
            paths.append(path)
            return paths.count - 1
        }
        for index in indices {
            let target = targets[index]
            inputs.append(
                target.columns.map { column in
                    switch column.source {
                    case .field(let path): .field(position(path, in: &valuePaths))
                    case .key(let path?): .keyField(position(path, in: &keyPaths))
                    default: .source(column.source)
                    }
                })
            // What the route itself says of the key is no part of the message's.
            let said = target.keyColumns.count { $0.source != .constant }
            tombstoneInputs.append(
                target.keyColumns.map { column in
                    switch column.source {
                    // A tombstone has no value: what would be a field of it is looked for in the key.
                    case .field(let path):
                        said == 1
                            ? .keyFieldOrKey(position(path, in: &keyPaths)) : .keyField(position(path, in: &keyPaths))
                    case .key(let path?): .keyField(position(path, in: &keyPaths))
                    default: .source(column.source)
                    }
                })
        }
        let sources = indices.flatMap { targets[$0].columns }.map(\.source)
        if self.format.decodesWhole, sources.contains(.value) {
            wholeValue = position(FieldPath([]), in: &valuePaths)
        }
        let wantsWhole = (inputs + tombstoneInputs).joined().contains {
            if case .keyFieldOrKey = $0 { true } else { false }
        }
        // Also of JSON: a key in an envelope of Connect's is what is in it.
        if self.keyFormat.decodesWhole || self.keyFormat.isJSON, wantsWhole || sources.contains(.key(nil)) {
            wholeKey = position(FieldPath([]), in: &keyPaths)
        }
        self.valuePaths = valuePaths
        self.keyPaths = keyPaths
        rowsNeedKey =
            inputs.joined().contains { if case .keyField = $0 { true } else { false } }
            || (wholeKey != nil && sources.contains(.key(nil)))
        opensEnvelopes = self.format.isJSON && ConnectJSONDecoder.opens(valuePaths)
    }
}
