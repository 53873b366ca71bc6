import SwiftProtobuf

extension ProtobufSchema {
    /// Files that messages refer to and nobody sends along, because whoever compiles Protobuf has them: registries keep no
    /// references to them. Those with types that a field may be of; of the others only options are known, which say nothing
    /// of values.
    ///
    /// In the text format of descriptors. Numbers, names and types are those of Google's `google/protobuf` and
    /// `google/type`, and of Confluent's `confluent/type`.
    static func wellKnown() throws(ProtobufSchemaFailure) -> [Google_Protobuf_FileDescriptorProto] {
        var files: [Google_Protobuf_FileDescriptorProto] = []
        for (name, text) in texts {
            let package = name.split(separator: "/").dropLast().joined(separator: ".")
            do {
                var file = try Google_Protobuf_FileDescriptorProto(textFormatString: text)
                (file.name, file.package, file.syntax) = (name, package, "proto3")
                files.append(file)
            } catch {
                throw ProtobufSchemaFailure(code: .invalid, place: name, words: "is not written as descriptors are")
            }
        }
        return files
    }

    private static func message(_ name: String, _ fields: (String, Int, String)...) -> String {
        let fields = fields.map { field(name: $0.0, $0.1, $0.2) }.joined(separator: " ")
        return #"message_type { name: "\#(name)" \#(fields) }"#
    }

    /// - Parameter type: `INT32`, or a full name; in brackets where it is repeated.
    private static func field(name: String, _ number: Int, _ type: String) -> String {
        let isRepeated = type.hasPrefix("[")
        let type = isRepeated ? String(type.dropFirst().dropLast()) : type
        let ofType = type.hasPrefix(".") ? #"type: TYPE_MESSAGE type_name: "\#(type)""# : "type: TYPE_\(type)"
        return
            #"field { name: "\#(name)" number: \#(number) label: LABEL_\#(isRepeated ? "REPEATED" : "OPTIONAL") \#(ofType) }"#
    }

    private static let texts: [(name: String, text: String)] = [
        ("google/protobuf/timestamp.proto", message("Timestamp", ("seconds", 1, "INT64"), ("nanos", 2, "INT32"))),
        ("google/protobuf/duration.proto", message("Duration", ("seconds", 1, "INT64"), ("nanos", 2, "INT32"))),
        ("google/protobuf/any.proto", message("Any", ("type_url", 1, "STRING"), ("value", 2, "BYTES"))),
        ("google/protobuf/empty.proto", message("Empty")),
        ("google/protobuf/field_mask.proto", message("FieldMask", ("paths", 1, "[STRING]"))),
        (
            "google/protobuf/wrappers.proto",
            message("DoubleValue", ("value", 1, "DOUBLE")) + message("FloatValue", ("value", 1, "FLOAT"))
                + message("Int64Value", ("value", 1, "INT64")) + message("UInt64Value", ("value", 1, "UINT64"))
                + message("Int32Value", ("value", 1, "INT32")) + message("UInt32Value", ("value", 1, "UINT32"))
                + message("BoolValue", ("value", 1, "BOOL")) + message("StringValue", ("value", 1, "STRING"))
                + message("BytesValue", ("value", 1, "BYTES"))
        ),
        (
            "google/protobuf/struct.proto",
            #"""
            message_type {
              name: "Struct"
              field { name: "fields" number: 1 label: LABEL_REPEATED type: TYPE_MESSAGE
                      type_name: ".google.protobuf.Struct.FieldsEntry" }
              nested_type {
                name: "FieldsEntry" options { map_entry: true }
                field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
                field { name: "value" number: 2 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".google.protobuf.Value" }
              }
            }
            message_type {
              name: "Value" oneof_decl { name: "kind" }
              field { name: "null_value" number: 1 label: LABEL_OPTIONAL type: TYPE_ENUM
                      type_name: ".google.protobuf.NullValue" oneof_index: 0 }
              field { name: "number_value" number: 2 label: LABEL_OPTIONAL type: TYPE_DOUBLE oneof_index: 0 }
              field { name: "string_value" number: 3 label: LABEL_OPTIONAL type: TYPE_STRING oneof_index: 0 }
              field { name: "bool_value" number: 4 label: LABEL_OPTIONAL type: TYPE_BOOL oneof_index: 0 }
              field { name: "struct_value" number: 5 label: LABEL_OPTIONAL type: TYPE_MESSAGE
                      type_name: ".google.protobuf.Struct" oneof_index: 0 }
              field { name: "list_value" number: 6 label: LABEL_OPTIONAL type: TYPE_MESSAGE
                      type_name: ".google.protobuf.ListValue" oneof_index: 0 }
            }
            message_type {
              name: "ListValue"
              field { name: "values" number: 1 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: ".google.protobuf.Value" }
            }
            enum_type { name: "NullValue" value { name: "NULL_VALUE" number: 0 } }
            """#
        ),
        ("google/type/date.proto", message("Date", ("year", 1, "INT32"), ("month", 2, "INT32"), ("day", 3, "INT32"))),
        (
            "google/type/timeofday.proto",
            message(
                "TimeOfDay", ("hours", 1, "INT32"), ("minutes", 2, "INT32"), ("seconds", 3, "INT32"),
                ("nanos", 4, "INT32"))
        ),
        ("google/type/decimal.proto", message("Decimal", ("value", 1, "STRING"))),
        (
            "google/type/money.proto",
            message("Money", ("currency_code", 1, "STRING"), ("units", 2, "INT64"), ("nanos", 3, "INT32"))
        ),
        ("google/type/latlng.proto", message("LatLng", ("latitude", 1, "DOUBLE"), ("longitude", 2, "DOUBLE"))),
        (
            "google/type/interval.proto",
            message(
                "Interval", ("start_time", 1, ".google.protobuf.Timestamp"),
                ("end_time", 2, ".google.protobuf.Timestamp"))
        ),
        ("google/type/fraction.proto", message("Fraction", ("numerator", 1, "INT64"), ("denominator", 2, "INT64"))),
        (
            "confluent/type/decimal.proto",
            message("Decimal", ("value", 1, "BYTES"), ("precision", 2, "UINT32"), ("scale", 3, "INT32"))
        ),
    ]
}
