import Foundation
import Postgres
import TestSupport

/// Makes each COPY or INSERT into a landing's table take its time, so that faults meet batches at every stage and a topic is not
/// loaded before enough of them have fired. Half of the wait comes before the first row, half behind the last, each at
/// random up to what is set.
struct Throttle: Sendable {
    private let landing: Landing

    /// - Parameter table: what is loaded, in the landing's schema.
    init(_ landing: Landing, table: String = "landed", seconds: Double) throws {
        self.landing = landing
        try set(seconds)
        try landing.schema.connect().execute(
            """
            CREATE TRIGGER slow_before BEFORE INSERT ON \(table) FOR EACH STATEMENT EXECUTE FUNCTION slow();
            CREATE TRIGGER slow_after AFTER INSERT ON \(table) FOR EACH STATEMENT EXECUTE FUNCTION slow()
            """)
    }

    /// Sets how long a COPY takes on average.
    func set(_ seconds: Double) throws {
        // The function, not the triggers: those would change the table under the loaders.
        try landing.schema.connect().execute(
            """
            CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_sleep(random() * \(seconds)); RETURN NULL; END $$
            """)
    }
}
