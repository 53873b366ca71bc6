import NIOCore

/// What one client may cost the HTTP server. Probes, scrapes and a browser stay far below all of it.
struct HTTPLimits: Sendable {
    /// Connections at one time. A further one is taken in all the same, in the place of the one that has been of least use.
    var connections = 64
    /// Bytes of a request line and its headers together.
    var requestBytes = 16 << 10
    /// Bytes of a single header, or of the request's target.
    var fieldBytes = 8 << 10
    var fields = 100
    /// From the connection, or from a request's first byte, to the end of its headers. Further bytes prolong nothing.
    var request = TimeAmount.seconds(10)
    /// From an answer to the first byte of the next request: longer than scrapers commonly pause.
    var idle = TimeAmount.seconds(90)
    /// Until an answer is taken.
    var answer = TimeAmount.seconds(10)
    /// Between the end of an answer after which the connection is not kept and its closing. Whoever still sends would
    /// otherwise get a reset in place of the answer.
    var linger = TimeAmount.seconds(2)
    /// Between two tries to listen again; doubles up to the second.
    var restart: (first: TimeAmount, last: TimeAmount) = (.seconds(1), .seconds(30))
}
