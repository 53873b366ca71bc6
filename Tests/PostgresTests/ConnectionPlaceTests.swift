import Testing

@testable import Postgres

@Suite struct ConnectionPlaceTests {
    @Test(
        "where a database is, is said without a user or a password",
        arguments: [
            ("postgresql://app:hush@db1/shop", "shop on db1:5432"),
            ("postgresql://app:hush@db1:6432,db2/shop?sslmode=require", "shop on db1:6432,db2:5432"),
            ("host=/run/postgresql port=5433 dbname=shop password=hush", "shop on /run/postgresql:5433"),
            ("postgresql://[::1]:5432/shop", "shop on [::1]:5432"),
            ("host=db1 user=app dbname=shop", "shop on db1:5432"),
        ])
    func place(url: String, expected: String) { #expect(ConnectionOptions(url: url).place == expected) }
}
