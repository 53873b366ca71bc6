extension SQLParser {
    mutating func expression() throws(SQLFailure) -> SQLExpression {
        var left = try conjunction()
        while takes("or") { left = .binary("or", left, try conjunction()) }
        return left
    }

    private mutating func conjunction() throws(SQLFailure) -> SQLExpression {
        var left = try negation()
        while takes("and") { left = .binary("and", left, try negation()) }
        return left
    }

    private mutating func negation() throws(SQLFailure) -> SQLExpression {
        if takes("not") { return .not(try negation()) }
        return try comparison()
    }

    private mutating func comparison() throws(SQLFailure) -> SQLExpression {
        var left = try sum()
        while true {
            if takes("is") {
                let isNegated = takes("not")
                var test: SQLExpression
                if takes("null") {
                    test = .isNull(left)
                } else {
                    try expect("distinct", "from")
                    test = .isDistinct(left, try sum())
                }
                if isNegated { test = .not(test) }
                left = test
            } else if sees("not", "in") || sees("in") {
                let isNegated = takes("not")
                try expect("in", "(")
                let test: SQLExpression
                if sees("select") {
                    test = .inQuery(left, try query())
                } else {
                    test = .inList(left, try list { parser throws(SQLFailure) in try parser.expression() })
                }
                try expect(")")
                left = isNegated ? .not(test) : test
            } else if let comparison = ["=", "<>", "<=", ">=", "<", ">"].first(where: { sees($0) }) {
                try expect(comparison)
                if comparison == "=", takes("any", "(") {
                    let elements = try expression()
                    try expect(")")
                    left = .any(left, elements)
                } else {
                    left = .binary(comparison, left, try sum())
                }
            } else if takes("operator", "(") {
                _ = try identifier()
                try expect(".", "=", ")")
                left = .binary("=", left, try sum())
            } else {
                return left
            }
        }
    }

    private mutating func sum() throws(SQLFailure) -> SQLExpression {
        var left = try product()
        while let sign = ["+", "-", "||", "&", "->>"].first(where: { sees($0) }) {
            try expect(sign)
            left = .binary(sign, left, try product())
        }
        return left
    }

    private mutating func product() throws(SQLFailure) -> SQLExpression {
        var left = try unary()
        while let sign = ["*", "/", "%"].first(where: { sees($0) }) {
            try expect(sign)
            left = .binary(sign, left, try unary())
        }
        return left
    }

    private mutating func unary() throws(SQLFailure) -> SQLExpression {
        if takes("-") {
            guard case .value(.int(let number)) = try unary() else { throw unknown() }
            return .value(.int(-number))
        }
        var value = try primary()
        while true {
            if takes("::") {
                value = .cast(value, try type())
            } else if takes("[") {
                value = .element(value, try expression())
                try expect("]")
            } else if takes("collate") {
                _ = try tableName()
            } else {
                return value
            }
        }
    }

    private mutating func primary() throws(SQLFailure) -> SQLExpression {
        if let number = number() {
            return .value(Int64(number).map { .int($0) } ?? .double(Double(number) ?? 0))
        }
        if let parameter = parameter() { return .parameter(parameter) }
        if case .text = token { return .value(.text(try text())) }
        if takes("(") {
            if sees("select") {
                let query = try query()
                try expect(")")
                return .scalar(query)
            }
            let values = try list { parser throws(SQLFailure) in try parser.expression() }
            try expect(")")
            return values.count == 1 ? values[0] : .row(values)
        }
        if takes("null") { return .value(.null) }
        if takes("true") { return .value(.bool(true)) }
        if takes("false") { return .value(.bool(false)) }
        if takes("case") { return try cases() }
        if takes("exists", "(") {
            let query = try query()
            try expect(")")
            return .exists(query)
        }
        if takes("array", "(") {
            let query = try query()
            try expect(")")
            return .arrayOf(query)
        }
        if takes("array", "[") {
            let values = try list { parser throws(SQLFailure) in try parser.expression() }
            try expect("]")
            return .array(values)
        }
        if sees("interval") || sees("timestamptz") {
            let type = try type()
            return .value(try type.read(text()))
        }
        let isWord = if case .word = token { true } else { false }
        let name = try identifier()
        if isWord, takes("(") { return .call(try call(name)) }
        guard takes(".") else { return .column(nil, name) }
        if takes("*") { return .all(name) }
        let member = try identifier()
        if takes("(") { return .call(try call(member)) }
        return .column(name, member)
    }

    private mutating func cases() throws(SQLFailure) -> SQLExpression {
        let subject = sees("when") ? nil : try expression()
        var branches: [(when: SQLExpression, then: SQLExpression)] = []
        while takes("when") {
            let when = try expression()
            try expect("then")
            branches.append((when, try expression()))
        }
        let otherwise = takes("else") ? try expression() : nil
        try expect("end")
        return .cases(of: subject, branches, otherwise: otherwise)
    }

    /// Behind the opening parenthesis.
    mutating func call(_ name: String) throws(SQLFailure) -> SQLCall {
        var call = SQLCall(name: name)
        if name == "extract" {
            call.arguments = [.value(.text(try identifier()))]
            try expect("from")
            call.arguments.append(try expression())
            try expect(")")
            return call
        }
        if takes("*") {
            call.isOfAll = true
        } else if !sees(")") {
            call.isDistinct = takes("distinct")
            call.arguments = try list { parser throws(SQLFailure) in try parser.expression() }
            if takes("order", "by") { call.order = try order() }
        }
        try expect(")")
        if takes("filter", "(") {
            try expect("where")
            call.filter = try expression()
            try expect(")")
        }
        if takes("over", "(") {
            var window = SQLWindow()
            if takes("partition", "by") {
                window.partition = try list { parser throws(SQLFailure) in try parser.expression() }
            }
            if takes("order", "by") { window.order = try order() }
            try expect(")")
            call.window = window
        }
        return call
    }
}
