/// What a value must be to go into a date, a time or an interval.
extension ColumnForm {
    // MARK: Numbers

    /// A number, or with a unit a string that is one.
    @inline(__always)
    private func number(_ value: InputValue) throws(EncodingFailure) -> DecimalText? {
        switch value.kind {
        case .number:
            guard options.epochUnit != nil else { throw EncodingFailure(.missingUnit, found: .number) }
            guard let decimal = DecimalText(value.bytes) else { throw EncodingFailure(.badSyntax, found: .number) }
            return decimal
        case .string: return options.epochUnit == nil ? nil : DecimalText(value.bytes)
        default: throw EncodingFailure(.wrongType, found: value.kind)
        }
    }

    /// A number of the options' unit, less than days, in microseconds, cut off towards negative infinity.
    private func microseconds(_ decimal: DecimalText, _ found: InputValue.Kind) throws(EncodingFailure) -> Int64 {
        let shift =
            switch options.epochUnit {
            case .milliseconds: 3
            case .microseconds: 0
            case .nanoseconds: -3
            case .seconds, .days, nil: 6
            }
        guard case .value(let microseconds, _) = decimal.floor(shiftedBy: shift) else {
            throw EncodingFailure(.outOfRange, found: found)
        }
        return microseconds
    }

    private func days(_ decimal: DecimalText, _ found: InputValue.Kind) throws(EncodingFailure) -> Int64 {
        switch decimal.floor() {
        case .value(let days, isExact: true): return days
        case .value: throw EncodingFailure(.wrongType, found: found)
        case .overflow: throw EncodingFailure(.outOfRange, found: found)
        }
    }

    /// A number of whole days since 1970 as a day from 2000-01-01.
    private func epochDay(_ decimal: DecimalText, _ found: InputValue.Kind) throws(EncodingFailure) -> Int64 {
        let (day, overflowed) = try days(decimal, found).subtractingReportingOverflow(CalendarTime.unixEpochDays)
        guard !overflowed else { throw EncodingFailure(.outOfRange, found: found) }
        return day
    }

    /// Microseconds from 2000-01-01 UTC.
    private func fromUnixEpoch(_ microseconds: Int64, found: InputValue.Kind) throws(EncodingFailure) -> Int64 {
        let (shifted, overflowed) = microseconds.subtractingReportingOverflow(CalendarTime.unixEpochMicroseconds)
        guard !overflowed, CalendarTime.isValidTimestamp(shifted) else {
            throw EncodingFailure(.outOfRange, found: found)
        }
        return shifted
    }

    /// A moment as the column stores it: for types without a zone, as the clock shows it in the options' zone.
    private func moment(_ microseconds: Int64, found: InputValue.Kind) throws(EncodingFailure) -> Int64 {
        guard kind != .timestamptz, let zone else { return microseconds }
        let local = microseconds &+ Int64(zone.offset(at: microseconds)) * 1_000_000
        guard CalendarTime.isValidTimestamp(local) else { throw EncodingFailure(.outOfRange, found: found) }
        return local
    }

    // MARK: Moments and dates

    @inline(__always)
    private func calendarTime(_ value: InputValue) throws(EncodingFailure) -> CalendarTime {
        switch CalendarTime.read(value.bytes) {
        case .value(let time): return time
        case .failure(.badSyntax): throw EncodingFailure(.badSyntax, found: .string)
        case .failure(.outOfRange): throw EncodingFailure(.outOfRange, found: .string)
        }
    }

    /// Microseconds from 2000-01-01; the extremes of `Int64` are the infinities, as PostgreSQL stores them.
    func microseconds(_ value: InputValue) throws(EncodingFailure) -> Int64 {
        guard value.kind == .string || value.kind == .number else { return try microseconds(ofBinary: value) }
        if let decimal = try number(value) { return try microseconds(epoch: decimal, value.kind) }
        let time = try calendarTime(value)
        switch time.bound {
        case .infinity: return .max
        case .negativeInfinity: return .min
        case .finite: break
        }
        guard let local = time.localMicroseconds else { throw EncodingFailure(.outOfRange, found: .string) }
        if let offset = time.offset, !ignoresOffset { return try moment(local, less: offset) }
        return try clock(local, found: .string)
    }

    /// What a clock shows in a zone that is not told, as the column stores it: a moment needs the options' zone.
    @inline(__always)
    private func clock(_ local: Int64, found: InputValue.Kind) throws(EncodingFailure) -> Int64 {
        if kind == .timestamptz {
            guard let zone else { throw EncodingFailure(.missingZone, found: found) }
            return try moment(local, less: zone.offset(atLocal: local), found: found)
        }
        guard CalendarTime.isValidTimestamp(local) else { throw EncodingFailure(.outOfRange, found: found) }
        return local
    }

    private func microseconds(ofBinary value: InputValue) throws(EncodingFailure) -> Int64 {
        switch value.kind {
        case .instant: return try moment(value.microsecondsFrom2000(), found: value.kind)
        case .localTime: return try clock(value.microsecondsFrom2000(), found: value.kind)
        case .day:
            let (midnight, overflowed) = try value.dayFrom2000().multipliedReportingOverflow(
                by: CalendarTime.microsecondsPerDay)
            guard !overflowed else { throw EncodingFailure(.outOfRange, found: value.kind) }
            return try clock(midnight, found: value.kind)
        default: return try value.withText { (number) throws(EncodingFailure) in try microseconds(number) }
        }
    }

    private func microseconds(
        epoch decimal: DecimalText, _ found: InputValue.Kind
    ) throws(EncodingFailure) -> Int64 {
        if countsLocally { return try microseconds(local: decimal, found) }
        guard options.epochUnit == .days else {
            return try moment(fromUnixEpoch(microseconds(decimal, found), found: found), found: found)
        }
        let day = try epochDay(decimal, found)
        let (midnight, overflowed) = day.multipliedReportingOverflow(by: CalendarTime.microsecondsPerDay)
        guard !overflowed, CalendarTime.isValidTimestamp(midnight) else {
            throw EncodingFailure(.outOfRange, found: found)
        }
        return midnight
    }

    /// A number as a producer writes a timestamp without a zone. The infinities are those of the driver that Debezium reads
    /// PostgreSQL with, in nanoseconds the bounds.
    private func microseconds(local decimal: DecimalText, _ found: InputValue.Kind) throws(EncodingFailure) -> Int64 {
        if case .value(let count, isExact: true) = decimal.floor() {
            let isNano = options.epochUnit == .nanoseconds
            if count == (isNano ? .max : 9_223_372_036_825_200_000) { return .max }
            if count == (isNano ? .min : -9_223_372_036_832_400_000) { return .min }
        }
        let (shifted, overflowed) = try microseconds(decimal, found).subtractingReportingOverflow(
            CalendarTime.unixEpochMicroseconds)
        guard !overflowed else { throw EncodingFailure(.outOfRange, found: found) }
        return try clock(shifted, found: found)
    }

    /// What a clock shows that is `offset` seconds ahead, as the column stores it.
    private func moment(
        _ local: Int64, less offset: Int32, found: InputValue.Kind = .string
    ) throws(EncodingFailure) -> Int64 {
        let (moment, overflowed) = local.subtractingReportingOverflow(Int64(offset) * 1_000_000)
        guard !overflowed, CalendarTime.isValidTimestamp(moment) else {
            throw EncodingFailure(.outOfRange, found: found)
        }
        return try self.moment(moment, found: found)
    }

    /// Days from 2000-01-01; the extremes of `Int32` are the infinities.
    func day(_ value: InputValue) throws(EncodingFailure) -> Int32 {
        guard value.kind == .string || value.kind == .number else { return try day(ofBinary: value) }
        if let decimal = try number(value) {
            if options.epochUnit == .days { return try valid(day: epochDay(decimal, value.kind), value.kind) }
            return Int32(CalendarTime.split(try microseconds(epoch: decimal, value.kind)).day)
        }
        let time = try calendarTime(value)
        switch time.bound {
        case .infinity: return .max
        case .negativeInfinity: return .min
        case .finite: break
        }
        // A day is the same day in any zone.
        guard let offset = time.offset, !time.isDay else { return try valid(day: time.day, .string) }
        guard let local = time.localMicroseconds else { throw EncodingFailure(.outOfRange, found: .string) }
        return Int32(CalendarTime.split(try moment(local, less: offset)).day)
    }

    private func day(ofBinary value: InputValue) throws(EncodingFailure) -> Int32 {
        switch value.kind {
        case .day: return try valid(day: value.dayFrom2000(), value.kind)
        case .instant, .localTime: return Int32(CalendarTime.split(try microseconds(ofBinary: value)).day)
        default: return try value.withText { (number) throws(EncodingFailure) in try day(number) }
        }
    }

    private func valid(day: Int64, _ found: InputValue.Kind) throws(EncodingFailure) -> Int32 {
        guard CalendarTime.firstDay...CalendarTime.lastDay ~= day else {
            throw EncodingFailure(.outOfRange, found: found)
        }
        return Int32(day)
    }

    // MARK: Times of day and intervals

    /// Microseconds since midnight.
    func timeOfDay(_ value: InputValue) throws(EncodingFailure) -> Int64 {
        guard value.kind == .string || value.kind == .number else { return try timeOfDay(ofBinary: value) }
        if let decimal = try number(value) {
            return try valid(timeOfDay: microseconds(decimal, value.kind), value.kind)
        }
        guard let time = CalendarTime.readTimeOfDay(value.bytes) else {
            throw EncodingFailure(.badSyntax, found: .string)
        }
        guard let offset = time.offset, !ignoresOffset else { return time.microseconds }
        // Which season's offset a zone has at that time only a date could tell.
        guard let own = zone.map(\.constantOffset) ?? 0 else { throw EncodingFailure(.movingZone, found: .string) }
        guard own != offset else { return time.microseconds }
        let day = CalendarTime.microsecondsPerDay
        return ((time.microseconds + Int64(own - offset) * 1_000_000) % day + day) % day
    }

    private func timeOfDay(ofBinary value: InputValue) throws(EncodingFailure) -> Int64 {
        if value.kind == .timeOfDay { return try valid(timeOfDay: value.count, value.kind) }
        return try value.withText { (number) throws(EncodingFailure) in try timeOfDay(number) }
    }

    private func valid(timeOfDay microseconds: Int64, _ found: InputValue.Kind) throws(EncodingFailure) -> Int64 {
        guard 0...CalendarTime.microsecondsPerDay ~= microseconds else {
            throw EncodingFailure(.outOfRange, found: found)
        }
        return microseconds
    }

    /// Appends the text that the server reads as an interval or a time of day with its zone.
    func appendServerTime(_ value: InputValue, to buffer: inout CopyBuffer) throws(EncodingFailure) {
        switch (value.kind, kind) {
        case (.string, _), (.number, _): try appendServerTime(text: value, to: &buffer)
        case (.interval, .interval): try buffer.append(textOf: value)
        case (.timeOfDay, .timetz):
            try buffer.append(textOf: value)
            buffer.append("+00")
        default:
            try value.withText { (number) throws(EncodingFailure) in try appendServerTime(text: number, to: &buffer) }
        }
    }

    private func appendServerTime(text value: InputValue, to buffer: inout CopyBuffer) throws(EncodingFailure) {
        guard let decimal = try number(value) else {
            // PostgreSQL would take bare digits for seconds, and for hours, minutes and seconds in a row.
            if value.bytes.isNumber { throw EncodingFailure(.missingUnit, found: .string) }
            return try appendText(value, to: &buffer)
        }
        if kind == .timetz {
            CalendarTime.append(
                timeOfDay: try valid(timeOfDay: microseconds(decimal, value.kind), value.kind), to: &buffer)
            return buffer.append("+00")
        }
        if options.epochUnit == .days {
            guard let days = Int32(exactly: try days(decimal, value.kind)) else {
                throw EncodingFailure(.outOfRange, found: value.kind)
            }
            buffer.append(decimal: Int64(days))
            return buffer.append(" days")
        }
        let microseconds = try microseconds(decimal, value.kind)
        guard microseconds > .min else { throw EncodingFailure(.outOfRange, found: value.kind) }
        if microseconds < 0 { buffer.append(byte: UInt8(ascii: "-")) }
        let (hours, rest) = abs(microseconds).quotientAndRemainder(dividingBy: 3_600_000_000)
        // Version 14 and older count hours in 32 bits.
        guard hours <= Int64(Int32.max) else { throw EncodingFailure(.outOfRange, found: value.kind) }
        buffer.append(decimal: hours)
        buffer.append(byte: UInt8(ascii: ":"))
        CalendarTime.append(minutesAndSeconds: rest, to: &buffer)
    }
}

extension UnsafeRawBufferPointer {
    /// Whether the text is a decimal number, as a sender may write one in a string or a header.
    fileprivate var isNumber: Bool { DecimalText(self) != nil }
}
