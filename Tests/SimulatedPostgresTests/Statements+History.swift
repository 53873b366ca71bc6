/// Rows of a history, whose versions end where the next ones begin.
extension Statements {
    mutating func history() -> Request {
        switch draw(4) {
        case 0, 1:
            let rows = (0..<draw(4)).map { _ in
                "\(draw(2))\t\(draw(40))\t\(draw(4) == 0 ? "\\N" : "\(draw(3))")\t\(draw(9))\n"
            }
            return .simple("COPY s.history (p, o, id, since) FROM STDIN", copy: Array(rows.joined().utf8))
        case 2:
            let next = "lead(v.since) OVER (PARTITION BY v.id ORDER BY v.since, v.p, v.o)"
            return .simple(Self.ending("SELECT v.p, v.o, \(next) AS until FROM \(Self.around)"))
        default:
            let next = "lead(v.since) OVER (PARTITION BY v.id ORDER BY v.since, v.p, v.o)"
            let cut =
                "min(CASE WHEN v.cuts THEN v.since END) OVER (ORDER BY v.since DESC, v.p DESC, v.o DESC)"
            let events =
                "SELECT v.id, v.since, v.p, v.o, false AS cuts FROM \(Self.around) UNION ALL "
                + "SELECT x.id, x.since, x.p, x.o, true FROM s.history AS x WHERE x.id IS NULL"
            let ends = "SELECT v.p, v.o, v.cuts, \(next) AS next, \(cut) AS cut FROM (\(events)) AS v"
            return .simple(
                Self.ending("SELECT e.p, e.o, least(e.next, e.cut) AS until FROM (\(ends)) AS e WHERE NOT e.cuts"))
        }
    }

    private static let around = """
        (SELECT id, min(since) AS since FROM s.history WHERE o < 20 GROUP BY id) AS k JOIN s.history AS v ON v.id = k.id \
        AND v.since >= coalesce((SELECT max(p.since) FROM s.history AS p WHERE p.id = k.id AND p.since < k.since), k.since)
        """

    private static func ending(_ ends: String) -> String {
        "UPDATE s.history AS t SET until = w.until FROM (\(ends)) AS w "
            + "WHERE t.p = w.p AND t.o = w.o AND t.until IS DISTINCT FROM w.until"
    }
}
