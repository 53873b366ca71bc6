import LoadingFixtures
import Postgres
import Testing

@testable import Loading
@testable import Operating

@Suite("The older half of a sample and the newer")
struct SampleDriftTests {
    private func findings(
        _ older: String, _ newer: String, each count: Int = 50, _ newerCount: Int? = nil
    ) throws -> [SetupProblem] {
        let target = try Target.made(
            .made(), .made([.made("id", .int8), .made("total", .numeric), .made("customer_name"), .made("note")]))
        let messages = Array(repeating: older, count: count) + Array(repeating: newer, count: newerCount ?? count)
        let batch = Batch.filled(messages.map { (key: nil, value: $0) }, for: target)
        let drift = SampleDrift([target], batch)
        return drift.findings(of: target) + drift.newFields(for: target)
    }

    @Test(
        "a field that only the older have, one that only the newer have, and one of another type are warnings with a mend"
    )
    func all() throws {
        let found = try findings(
            #"{"id": 1, "total": 1, "customer_name": "x"}"#,
            #"{"id": 1, "total": "many", "customerName": "x", "coupon": "c"}"#)
        #expect(found.allSatisfy(\.isWarning) && found.count == 3, "\(found)")
        let texts = found.map { $0.problem + " → " + $0.mend.words }
        #expect(texts[0].hasPrefix("total has changed its type: number → string, for a column of numeric"))
        #expect(texts[0].contains("ALTER TABLE public.orders ALTER COLUMN total TYPE text"))
        #expect(
            texts[1].hasPrefix(
                "customer_name has vanished: 50 of 50 older messages have it, and none of the 50 behind them"))
        #expect(texts[1].contains("`customer_name: customerName`"))
        #expect(texts[2].hasPrefix("only newer messages have, and no route takes: coupon, customerName"))
        #expect(texts[2].contains("ALTER TABLE public.orders ADD COLUMN coupon text;"))
        #expect(texts[2].contains("`customer_name: customerName`"))
        #expect(!texts.joined().contains("many"))
    }

    @Test("where in the sample the messages have changed does not matter", arguments: [(40, 60), (60, 40), (150, 30)])
    func anywhere(older: Int, newer: Int) throws {
        let found = try findings(#"{"id": 1, "note": "x"}"#, #"{"id": 1, "fresh": 1}"#, each: older, newer)
        #expect(found.map { $0.problem.prefix(12) } == ["note has van", "only newer m"], "\(found)")
    }

    @Test("a few messages, and fields that both halves have now and then, prove nothing")
    func nothing() throws {
        #expect(try findings(#"{"id": 1, "total": 1}"#, #"{"id": 1, "note": 1}"#, each: 10).isEmpty)
        #expect(try findings(#"{"id": 1, "extra": 1}"#, #"{"id": 1, "extra": "x", "total": null}"#).isEmpty)
    }
}
