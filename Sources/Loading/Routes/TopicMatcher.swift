#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension Route.TopicPattern {
    /// As librdkafka's subscription wants it.
    public var subscription: String {
        switch self {
        case .name(let name), .expression(let name): name
        }
    }

    /// Whether librdkafka gives this topic to the subscription: POSIX extended expressions, as it uses itself.
    public func matches(_ topic: String) -> Bool {
        switch self {
        case .name(let name): return name == topic
        case .expression(let expression):
            var compiled = regex_t()
            guard regcomp(&compiled, expression, REG_EXTENDED | REG_NOSUB) == 0 else { return false }
            defer { regfree(&compiled) }
            return regexec(&compiled, topic, 0, nil, 0) == 0
        }
    }

    /// False for an expression that cannot be compiled.
    public var isValid: Bool {
        guard case .expression(let expression) = self else { return true }
        var compiled = regex_t()
        guard regcomp(&compiled, expression, REG_EXTENDED | REG_NOSUB) == 0 else { return false }
        regfree(&compiled)
        return true
    }
}
