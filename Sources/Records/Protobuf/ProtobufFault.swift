/// What a decoder of Protobuf finds wrong with a message's bytes.
enum ProtobufFault: UInt8, Error, CaseIterable {
    /// A value or a length goes beyond what holds it.
    case truncated
    /// A number of more than ten bytes.
    case longNumber
    /// A tag with the field number 0, or one beyond 32 bits.
    case tag
    case wireType
    /// A group that ends without a beginning, or by another number.
    case group
    case tooDeep
    case text
}

extension DecodingFailure {
    init(_ fault: ProtobufFault, offset: Int) {
        // Literals, so that nothing is allocated.
        switch fault {
        case .truncated: self.init(.invalidSyntax, "is no Protobuf (it ends too early)", offset: offset)
        case .longNumber:
            self.init(.invalidSyntax, "is no Protobuf (a number has more than ten bytes)", offset: offset)
        case .tag: self.init(.invalidSyntax, "is no Protobuf (no field has such a number)", offset: offset)
        case .wireType: self.init(.invalidSyntax, "is no Protobuf (there is no such wire type)", offset: offset)
        case .group:
            self.init(.invalidSyntax, "is no Protobuf (a group ends that has not begun)", offset: offset)
        case .tooDeep: self.init(.tooDeep, "is nested too deep", offset: offset)
        case .text: self.init(.invalidUTF8, "is not valid UTF-8", offset: offset)
        }
    }
}
