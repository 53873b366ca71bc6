import CSimulation
import Glibc

// libpq's functions about connections, as the loader calls them. https://www.postgresql.org/docs/current/libpq-connect.html

typealias Text = UnsafePointer<CChar>
typealias Texts = UnsafePointer<UnsafePointer<CChar>?>

/// Never freed: what libpq gives out as its own.
enum ConstantTexts {
    /// Unchecked: whoever has the baton is alone.
    nonisolated(unsafe) private static var known: [String: UnsafeMutablePointer<CChar>] = [:]

    static func pointer(_ text: String) -> UnsafeMutablePointer<CChar>? {
        if let known = known[text] { return known }
        guard let copy = strdup(text) else { return nil }
        known[text] = copy
        return copy
    }
}

func connection(_ handle: OpaquePointer?) -> ServerConnection? {
    handle.map { Unmanaged<ServerConnection>.fromOpaque(UnsafeRawPointer($0)).takeUnretainedValue() }
}

private func make(_ keywords: Texts, _ values: Texts) -> OpaquePointer? {
    guard let server = SimulatedServer.current else { return nil }
    var name = ""
    var index = 0
    while let keyword = keywords[index] {
        if String(cString: keyword) == "fallback_application_name", let value = values[index] {
            name = String(cString: value)
        }
        index += 1
    }
    // As the server cuts it.
    let connection = ServerConnection(server, name: String(decoding: name.utf8.prefix(63), as: UTF8.self))
    return OpaquePointer(Unmanaged.passRetained(connection).toOpaque())
}

/// In nanoseconds: `connect_timeout` as the loader sets it.
private let connectTimeout: Int64 = 10_000_000_000

@_cdecl("PQconnectdbParams")
func libpqConnect(_ keywords: Texts, _ values: Texts, _ expand: Int32) -> OpaquePointer? {
    let handle = make(keywords, values)
    connection(handle)?.connect(timeout: connectTimeout)
    return handle
}

/// Only asked for what the options come to.
@_cdecl("PQconnectStartParams")
func libpqConnectStart(_ keywords: Texts, _ values: Texts, _ expand: Int32) -> OpaquePointer? { make(keywords, values) }

@_cdecl("PQreset")
func libpqReset(_ handle: OpaquePointer?) { connection(handle)?.connect(timeout: connectTimeout) }

@_cdecl("PQfinish")
func libpqFinish(_ handle: OpaquePointer?) {
    guard let handle else { return }
    let connection = Unmanaged<ServerConnection>.fromOpaque(UnsafeRawPointer(handle)).takeRetainedValue()
    connection.finish()
}

@_cdecl("PQstatus")
func libpqStatus(_ handle: OpaquePointer?) -> UInt32 { connection(handle)?.isOpen ?? false ? 0 : 1 }

@_cdecl("PQtransactionStatus")
func libpqTransactionStatus(_ handle: OpaquePointer?) -> UInt32 { connection(handle)?.transactionStatus ?? 4 }

@_cdecl("PQsocket")
func libpqSocket(_ handle: OpaquePointer?) -> Int32 { connection(handle)?.socket ?? -1 }

@_cdecl("PQbackendPID")
func libpqBackend(_ handle: OpaquePointer?) -> Int32 { connection(handle)?.pid ?? 0 }

@_cdecl("PQerrorMessage")
func libpqErrorMessage(_ handle: OpaquePointer?) -> UnsafeMutablePointer<CChar>? {
    ConstantTexts.pointer(connection(handle)?.message ?? "no connection")
}

@_cdecl("PQsetErrorVerbosity")
func libpqSetVerbosity(_ handle: OpaquePointer?, _ verbosity: UInt32) -> UInt32 {
    connection(handle)?.isVerbose = verbosity == 2
    return 1
}

@_cdecl("PQsetNoticeReceiver")
func libpqSetReceiver(
    _ handle: OpaquePointer?, _ receiver: OpaquePointer?, _ argument: UnsafeMutableRawPointer?
) -> OpaquePointer? { nil }

@_cdecl("PQsetnonblocking")
func libpqSetNonblocking(_ handle: OpaquePointer?, _ isNonblocking: Int32) -> Int32 { 0 }

@_cdecl("PQserverVersion")
func libpqServerVersion(_ handle: OpaquePointer?) -> Int32 { 150_000 }

@_cdecl("PQlibVersion")
func libpqVersion() -> Int32 { 150_000 }

@_cdecl("PQparameterStatus")
func libpqParameter(_ handle: OpaquePointer?, _ name: Text) -> Text? {
    let value: String? =
        switch String(cString: name) {
        case "server_encoding", "client_encoding": "UTF8"
        case "TimeZone": "UTC"
        case "application_name": connection(handle)?.name
        case "in_hot_standby", "default_transaction_read_only", "is_superuser": "off"
        case "integer_datetimes", "standard_conforming_strings": "on"
        default: nil
        }
    return value.flatMap { ConstantTexts.pointer($0) }.map { Text($0) }
}

@_cdecl("PQdb")
func libpqDatabase(_ handle: OpaquePointer?) -> UnsafeMutablePointer<CChar>? { ConstantTexts.pointer("sim") }

@_cdecl("PQhost")
func libpqHost(_ handle: OpaquePointer?) -> UnsafeMutablePointer<CChar>? { ConstantTexts.pointer("sim") }

@_cdecl("PQhostaddr")
func libpqAddress(_ handle: OpaquePointer?) -> UnsafeMutablePointer<CChar>? { ConstantTexts.pointer("127.0.0.1") }

@_cdecl("PQport")
func libpqPort(_ handle: OpaquePointer?) -> UnsafeMutablePointer<CChar>? { ConstantTexts.pointer("5432") }

@_cdecl("PQsslInUse")
func libpqHasTLS(_ handle: OpaquePointer?) -> Int32 { 0 }

@_cdecl("PQgssEncInUse")
func libpqHasGSS(_ handle: OpaquePointer?) -> Int32 { 0 }

@_cdecl("PQconnectionUsedPassword")
func libpqUsedPassword(_ handle: OpaquePointer?) -> Int32 { 0 }

@_cdecl("PQsslAttribute")
func libpqTLSAttribute(_ handle: OpaquePointer?, _ name: Text) -> Text? { nil }

@_cdecl("PQsslStruct")
func libpqTLSStruct(_ handle: OpaquePointer?, _ name: Text) -> UnsafeMutableRawPointer? { nil }

// Options

/// As `PQconninfoOption`: six pointers and a number.
private let optionWords = 7

/// Whatever the URL says, it leads to the one server.
private let options: [(keyword: String, value: String)] = [
    ("user", "loader"), ("host", "sim"), ("port", "5432"), ("dbname", "sim"), ("sslmode", "disable"),
]

private func makeOptions() -> UnsafeMutableRawPointer? {
    let count = (options.count + 1) * optionWords
    guard let memory = calloc(count, MemoryLayout<UInt>.size) else { return nil }
    let words = memory.bindMemory(to: UnsafeMutablePointer<CChar>?.self, capacity: count)
    for (index, option) in options.enumerated() {
        words[index * optionWords] = ConstantTexts.pointer(option.keyword)
        words[index * optionWords + 3] = ConstantTexts.pointer(option.value)
    }
    return memory
}

@_cdecl("PQconninfo")
func libpqOptions(_ handle: OpaquePointer?) -> UnsafeMutableRawPointer? { makeOptions() }

@_cdecl("PQconninfoParse")
func libpqParseOptions(
    _ text: Text, _ complaint: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> UnsafeMutableRawPointer? { makeOptions() }

@_cdecl("PQconninfoFree")
func libpqFreeOptions(_ options: UnsafeMutableRawPointer?) { free(options) }
