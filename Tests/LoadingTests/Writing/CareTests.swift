import Testing

@testable import Loading

@Suite("Care")
struct CareTests {
    @Test("chunks shrink with refusals and grow again without, within bounds")
    func chunks() {
        var care = Care()
        #expect(care.chunk == 4096)
        care.refused()
        #expect(care.chunk == 2048)
        for _ in 0..<20 { care.refused() }
        #expect(care.chunk == 256)
        care.chunkLoaded()
        #expect(care.chunk == 512)
        for _ in 0..<20 { care.chunkLoaded() }
        #expect(care.chunk == 4096)
    }

    @Test("care ends after fifty batches in a row without a refusal")
    func patience() {
        var care = Care()
        func lasting(_ batches: Int, refusals: Int = 0) -> Int {
            (0..<batches).count { _ in care.batchEnded(refusals: refusals) }
        }
        #expect(lasting(49) == 49)
        #expect(lasting(1, refusals: 1) == 1)
        #expect(lasting(50) == 49)
    }
}
