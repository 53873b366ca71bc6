/// What a decoder of Avro finds wrong with a message's bytes.
enum AvroFault: UInt8, Error, CaseIterable {
    case empty
    /// A value or a length goes beyond the message.
    case truncated
    /// A number of more than ten bytes, or more than 64 bits.
    case longNumber
    /// A number of the type `int` that has more than 32 bits.
    case wideInt
    case negativeLength
    case boolean
    /// An index that its enum or union does not have.
    case symbol, branch
    /// A block of a list or map whose length is not the one that stands before it.
    case blockLength
    /// Elements that take no byte, more than a message may have.
    case emptyElements
    case tooDeep
    case text
    /// Something behind the value.
    case trailing
}

extension DecodingFailure {
    init(_ fault: AvroFault, offset: Int) {
        // Literals, so that nothing is allocated.
        switch fault {
        case .empty: self.init(.empty, "is empty")
        case .truncated: self.init(.invalidSyntax, "is no Avro of its schema (it ends too early)", offset: offset)
        case .longNumber:
            self.init(.invalidSyntax, "is no Avro of its schema (a number has more than 64 bits)", offset: offset)
        case .wideInt:
            self.init(.invalidSyntax, "is no Avro of its schema (an int has more than 32 bits)", offset: offset)
        case .negativeLength:
            self.init(.invalidSyntax, "is no Avro of its schema (a length is negative)", offset: offset)
        case .boolean:
            self.init(.invalidSyntax, "is no Avro of its schema (a boolean is neither 0 nor 1)", offset: offset)
        case .symbol:
            self.init(.invalidSyntax, "is no Avro of its schema (an enum has no such symbol)", offset: offset)
        case .branch:
            self.init(.invalidSyntax, "is no Avro of its schema (a union has no such branch)", offset: offset)
        case .blockLength:
            self.init(.invalidSyntax, "is no Avro of its schema (a block is not as long as it says)", offset: offset)
        case .emptyElements:
            self.init(.invalidSyntax, "has too many elements without a byte", offset: offset)
        case .tooDeep: self.init(.tooDeep, "is nested too deep", offset: offset)
        case .text: self.init(.invalidUTF8, "is not valid UTF-8", offset: offset)
        case .trailing:
            self.init(.invalidSyntax, "is no Avro of its schema (something stands behind it)", offset: offset)
        }
    }
}
