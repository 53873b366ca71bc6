/// Values that are more than their bytes: what logical types and semantic names say of them.
extension AvroCursor {
    /// Reads the rarer ones.
    @inline(never)
    mutating func meant(by step: AvroInstruction) throws(AvroFault) -> Field {
        switch step.code {
        case .timeMillis: return .timeOfDay(microseconds: try int() * 1000)
        case .timeMicros: return .timeOfDay(microseconds: try long())
        case .timeNanos: return .timeOfDay(microseconds: try long().fromNanos)
        case .instantNanos: return .instant(microseconds: try long().fromNanos)
        case .localNanos: return .localTime(microseconds: try long().fromNanos)
        case .boundedMillis: return meant(.boundedMillis, try long())
        case .boundedMicros: return meant(.boundedMicros, try long())
        case .boundedNanos: return meant(.boundedNanos, try long())
        case .durationMicros: return meant(.durationMicros, try long())
        case .durationNanos: return meant(.durationNanos, try long())
        case .interval: return .interval(try fixed(12))
        case .fixedDecimal: return .decimal(try fixed(Int(step.first)), scale: Int32(bitPattern: step.second))
        case .bigDecimal: return Self.bigDecimal(try bytes())
        case .variableDecimal:
            // The record itself is read by what follows.
            var ahead = self
            if step.first == 1 {
                let unscaled = try ahead.bytes()
                return .decimal(unscaled, scale: Int32(truncatingIfNeeded: try ahead.int()))
            }
            let scale = try ahead.int()
            return .decimal(try ahead.bytes(), scale: Int32(truncatingIfNeeded: scale))
        default: return Field(.absent)
        }
    }

    /// Bytes and a scale in bytes. What is no such thing stays what it is.
    private static func bigDecimal(_ value: UnsafeRawBufferPointer) -> Field {
        guard let start = value.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return Field(.bytes, value) }
        var inner = AvroCursor(start, end: start + value.count)
        guard let unscaled = try? inner.bytes(), let scale = try? inner.int(), inner.left == 0 else {
            return Field(.bytes, value)
        }
        return .decimal(unscaled, scale: Int32(truncatingIfNeeded: scale))
    }

    private func meant(_ meaning: ConnectMeaning, _ number: Int64) -> Field {
        meaning.value(of: number) ?? .integer(number)
    }
}

extension Field {
    /// Of sixteen bytes.
    @inline(__always)
    static func uuid(_ bytes: UnsafeRawBufferPointer) -> Field {
        .uuid(
            high: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
            low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
    }

    /// Of twelve bytes: months, days and milliseconds, each without a sign. What has more months or days than an interval
    /// can have stays bytes.
    static func interval(_ bytes: UnsafeRawBufferPointer) -> Field {
        func part(_ index: Int) -> UInt32 {
            UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self))
        }
        guard let months = Int32(exactly: part(0)), let days = Int32(exactly: part(1)) else {
            return Field(.bytes, bytes)
        }
        return .interval(months: months, days: days, microseconds: Int64(part(2)) * 1000)
    }
}

extension Int64 {
    /// Microseconds of so many milliseconds, an extreme where they are beyond.
    @inline(__always)
    var fromMillis: Int64 {
        let (micros, overflow) = multipliedReportingOverflow(by: 1000)
        return overflow ? (self < 0 ? .min : .max) : micros
    }

    /// Microseconds of so many nanoseconds, rounded towards the past.
    @inline(__always)
    var fromNanos: Int64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: 1000)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
