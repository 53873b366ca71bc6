import Kafka
import Loading
import Records

/// What Canal's messages say of the columns of their source.
struct MySQLTypes {
    private(set) var fields: [SchemaOutline.Field] = []
    /// The source's primary key.
    private(set) var key: [String] = []

    /// - Parameter records: the newest of them that says it counts.
    init(_ messages: Batch, _ records: [Int], _ reading: TopicProfile.Reading) {
        let names = ["mysqlType", "sqlType", "pkNames"].map { FieldPath([$0]) }
        let values = SampleFields(reading.format, names, isOfKey: false, lookup: reading.lookup)
        for record in records.reversed() {
            guard let found = values.read(record, in: messages) else { continue }
            let named = values.nested.members(of: found[0]) ?? []
            let numbered = values.nested.members(of: found[1]) ?? []
            guard !named.isEmpty || !numbered.isEmpty else { continue }
            fields = named.compactMap { name, type in
                let text = FieldProfile.text(of: type)
                return Self.content(of: text).map { SchemaOutline.Field(name, $0, isOptional: false, type: text) }
            }
            for (name, number) in numbered where !fields.contains(where: { $0.name == name }) {
                guard let type = Self.names[FieldProfile.text(of: number)], let content = Self.content(of: type),
                    !named.contains(where: { $0.name == name })
                else { continue }
                fields.append(SchemaOutline.Field(name, content, isOptional: false, type: type))
            }
            key = (values.nested.elements(of: found[2]) ?? []).map(FieldProfile.text)
            return
        }
    }

    /// - Parameter type: as MySQL writes it: `int(11) unsigned`.
    /// - Returns: nil where the values are to decide.
    static func content(of type: String) -> SchemaOutline.Content? {
        let words = type.lowercased()
        let name = words.prefix { $0.isLetter }
        let arguments = words.split(separator: "(").dropFirst().first?.prefix { $0 != ")" } ?? ""
        let numbers = arguments.split(separator: ",").compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
        let isSigned = !words.contains("unsigned")
        switch name {
        case "tinyint", "year": return .integer(bits: 16, isSigned: true)
        case "smallint": return .integer(bits: isSigned ? 16 : 32, isSigned: true)
        case "mediumint": return .integer(bits: 32, isSigned: true)
        case "int", "integer": return .integer(bits: isSigned ? 32 : 64, isSigned: true)
        case "bigint": return .integer(bits: 64, isSigned: isSigned)
        case "decimal", "numeric": return .decimal(precision: numbers.first, scale: numbers.dropFirst().first ?? 0)
        case "float": return .float
        case "double", "real": return .double
        case "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set": return .string
        case "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob": return .bytes
        case "date": return .day
        case "time": return .timeOfDay
        case "datetime", "timestamp": return .localTime
        case "json": return .any
        default: return nil
        }
    }

    /// JDBC's numbers (`java.sql.Types`), where only they are told.
    private static let names = [
        "-6": "tinyint", "5": "smallint", "4": "int", "-5": "bigint", "7": "float", "8": "double", "1": "char",
        "12": "varchar", "-1": "text", "2005": "text", "91": "date", "92": "time", "93": "datetime", "2004": "blob",
        "-2": "binary", "-3": "varbinary", "-4": "blob",
    ]
}
