import Glibc
import SimulatedPostgres

// libpq's functions that send, and those that read what came of it.
// https://www.postgresql.org/docs/current/libpq-async.html

@_cdecl("PQsendQuery")
func libpqSend(_ handle: OpaquePointer?, _ sql: Text) -> Int32 {
    connection(handle)?.query(String(cString: sql)) ?? false ? 1 : 0
}

@_cdecl("PQsendQueryParams")
func libpqSendWithParameters(
    _ handle: OpaquePointer?, _ sql: Text, _ count: Int32, _ types: UnsafePointer<UInt32>?, _ values: Texts?,
    _ lengths: UnsafePointer<Int32>?, _ formats: UnsafePointer<Int32>?, _ resultFormat: Int32
) -> Int32 {
    guard let connection = connection(handle) else { return 0 }
    var parameters: [SQLValue] = []
    for index in 0..<Int(count) {
        guard let value = values?[index] else {
            parameters.append(.null)
            continue
        }
        guard let formats, formats[index] == 1, let lengths, let types else {
            parameters.append(.text(String(cString: value)))
            continue
        }
        let bytes = UnsafeRawBufferPointer(start: value, count: Int(lengths[index]))
        guard let type = SQLType(oid: types[index]), let parameter = try? type.receive(Array(bytes)[...]) else {
            SimulatedServer.current?.isAtItsEnd("a parameter of the type \(types[index])")
            return 0
        }
        parameters.append(parameter)
    }
    return connection.query(String(cString: sql), parameters) ? 1 : 0
}

@_cdecl("PQenterPipelineMode")
func libpqEnterPipeline(_ handle: OpaquePointer?) -> Int32 {
    guard let connection = connection(handle), connection.isOpen else { return 0 }
    connection.isPipeline = true
    return 1
}

@_cdecl("PQexitPipelineMode")
func libpqExitPipeline(_ handle: OpaquePointer?) -> Int32 {
    connection(handle)?.isPipeline = false
    return 1
}

@_cdecl("PQpipelineSync")
func libpqSync(_ handle: OpaquePointer?) -> Int32 { connection(handle)?.sync() ?? false ? 1 : 0 }

@_cdecl("PQputCopyData")
func libpqPutData(_ handle: OpaquePointer?, _ bytes: UnsafePointer<UInt8>?, _ count: Int32) -> Int32 {
    connection(handle)?.copy(Array(UnsafeBufferPointer(start: bytes, count: Int(count)))) ?? false ? 1 : -1
}

@_cdecl("PQputCopyEnd")
func libpqPutEnd(_ handle: OpaquePointer?, _ failure: Text?) -> Int32 {
    connection(handle)?.endCopy(failure.map { String(cString: $0) }) ?? false ? 1 : -1
}

/// All is sent at once.
@_cdecl("PQflush")
func libpqFlush(_ handle: OpaquePointer?) -> Int32 { connection(handle)?.isOpen ?? false ? 0 : -1 }

@_cdecl("PQconsumeInput")
func libpqConsume(_ handle: OpaquePointer?) -> Int32 { connection(handle)?.consume() ?? false ? 1 : 0 }

@_cdecl("PQisBusy")
func libpqIsBusy(_ handle: OpaquePointer?) -> Int32 { connection(handle)?.isBusy ?? false ? 1 : 0 }

@_cdecl("PQgetResult")
func libpqResult(_ handle: OpaquePointer?) -> OpaquePointer? {
    connection(handle)?.nextResult().map { OpaquePointer(Unmanaged.passRetained($0).toOpaque()) }
}

// Results

private func result(_ handle: OpaquePointer?) -> ServerResult? {
    handle.map { Unmanaged<ServerResult>.fromOpaque(UnsafeRawPointer($0)).takeUnretainedValue() }
}

@_cdecl("PQclear")
func libpqClear(_ handle: OpaquePointer?) {
    if let handle { Unmanaged<ServerResult>.fromOpaque(UnsafeRawPointer(handle)).release() }
}

@_cdecl("PQresultStatus")
func libpqResultStatus(_ handle: OpaquePointer?) -> UInt32 { (result(handle)?.status ?? .fatal).rawValue }

@_cdecl("PQresultErrorField")
func libpqErrorField(_ handle: OpaquePointer?, _ code: Int32) -> UnsafeMutablePointer<CChar>? {
    result(handle)?.field(Character(UnicodeScalar(UInt8(truncatingIfNeeded: code))))
}

@_cdecl("PQntuples")
func libpqRows(_ handle: OpaquePointer?) -> Int32 { Int32(result(handle)?.rows.count ?? 0) }

@_cdecl("PQnfields")
func libpqColumns(_ handle: OpaquePointer?) -> Int32 { Int32(result(handle)?.columns.count ?? 0) }

@_cdecl("PQfname")
func libpqName(_ handle: OpaquePointer?, _ column: Int32) -> UnsafeMutablePointer<CChar>? {
    result(handle)?.name(Int(column))
}

@_cdecl("PQgetisnull")
func libpqIsNull(_ handle: OpaquePointer?, _ row: Int32, _ column: Int32) -> Int32 {
    result(handle)?.isNull(Int(row), Int(column)) ?? true ? 1 : 0
}

@_cdecl("PQgetvalue")
func libpqValue(_ handle: OpaquePointer?, _ row: Int32, _ column: Int32) -> UnsafeMutablePointer<CChar>? {
    result(handle)?.value(Int(row), Int(column))?.text
}

@_cdecl("PQgetlength")
func libpqLength(_ handle: OpaquePointer?, _ row: Int32, _ column: Int32) -> Int32 {
    Int32(result(handle)?.value(Int(row), Int(column))?.length ?? 0)
}

@_cdecl("PQcmdTuples")
func libpqAffected(_ handle: OpaquePointer?) -> UnsafeMutablePointer<CChar>? { result(handle)?.affected }

@_cdecl("PQunescapeBytea")
func libpqUnescape(_ text: UnsafePointer<UInt8>, _ length: UnsafeMutablePointer<Int>) -> UnsafeMutablePointer<UInt8>? {
    let characters = String(cString: text)
    guard case .bytes(let bytes)? = try? SQLType.bytea.read(characters),
        let memory = malloc(bytes.count + 1)?.bindMemory(to: UInt8.self, capacity: bytes.count + 1)
    else { return nil }
    for (index, byte) in bytes.enumerated() { memory[index] = byte }
    memory[bytes.count] = 0
    length.pointee = bytes.count
    return memory
}

@_cdecl("PQfreemem")
func libpqFree(_ memory: UnsafeMutableRawPointer?) { free(memory) }
