// swift-tools-version: 6.1
import PackageDescription

// Each room imports only what stands above it here; see "Rooms of the house" in CONTRIBUTING.md.
let strict: [SwiftSetting] = [.enableUpcomingFeature("ExistentialAny")]

// Nothing of a message's way may pay for run-time exclusivity checks; debug builds, and so all tests, keep them.
let hot: [SwiftSetting] =
    strict + [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

// What is only for tests and no part of what they try, and slow without it: ten thousand stories are told in each run of them.
let quick: [SwiftSetting] =
    strict + [
        .unsafeFlags(["-O", "-Xfrontend", "-assert-config", "-Xfrontend", "Debug"], .when(configuration: .debug))
    ]

// What `loader version` says. A build without the repository, as in an image, is told by the variable.
let commit =
    Context.environment["LOADER_COMMIT"]
    ?? Context.gitInformation.map { $0.currentCommit.prefix(12) + ($0.hasUncommittedChanges ? "+" : "") }
    ?? "unknown"

let package = Package(
    name: "loader",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "loader", targets: ["Loader"]),
        .executable(name: "kafka-mock", targets: ["KafkaMockProgram"]),
        .executable(name: "registry-mock", targets: ["RegistryMockProgram"]),
        .executable(name: "hot-path", targets: ["HotPath"]),
        .executable(name: "faults", targets: ["Faults"]),
        .executable(name: "fuzz", targets: ["Fuzz"]),
        .executable(name: "simulate", targets: ["Simulate"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.80.0"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    ],
    targets: [
        .systemLibrary(
            name: "CRdKafka", pkgConfig: "rdkafka", providers: [.apt(["librdkafka-dev"]), .brew(["librdkafka"])]),
        .systemLibrary(name: "CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"]), .brew(["libpq"])]),
        .systemLibrary(
            name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"]), .brew(["curl"])]),
        .systemLibrary(
            name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"]), .brew(["openssl"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
        .systemLibrary(
            name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"]), .brew(["zstd"])]),
        .target(name: "CBuild", cSettings: [.define("LOADER_COMMIT", to: "\"\(commit)\"")]),
        .target(name: "CSimdJSON", linkerSettings: [.linkedLibrary("simdjson")]),
        .target(name: "Sockets", swiftSettings: strict),
        .target(name: "Kafka", dependencies: ["CRdKafka", "Sockets"], swiftSettings: hot),
        .target(name: "Postgres", dependencies: ["CLibPQ", "CCrypto", "Sockets"], swiftSettings: hot),
        .target(name: "Web", dependencies: ["CCurl"], swiftSettings: strict),
        .target(
            name: "Records",
            dependencies: ["CSimdJSON", "CZlib", "CZstd", .product(name: "SwiftProtobuf", package: "swift-protobuf")],
            swiftSettings: hot),
        .target(name: "Credentials", dependencies: ["CCrypto", "Web"], swiftSettings: strict),
        .target(name: "Schemas", dependencies: ["Records", "Web", "Credentials"], swiftSettings: hot),
        .target(
            name: "Loading",
            dependencies: [
                "Kafka", "Postgres", "Records", "Schemas", "Credentials",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
            ],
            swiftSettings: hot),
        .target(
            name: "Operating",
            dependencies: [
                "Loading", "Kafka", "Postgres", "Records", "Schemas", "Credentials",
                .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: strict),
        .executableTarget(
            name: "Loader",
            dependencies: [
                "CBuild", "Operating", "Loading", "Kafka", "Postgres", "Records", "Schemas", "Credentials", "Web",
                "Yams",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
            ],
            resources: [.embedInCode("HTTP/StatusPage.html")], swiftSettings: strict),
        .target(name: "KafkaMock", dependencies: ["CRdKafka", "Kafka"], swiftSettings: strict),
        .executableTarget(
            name: "KafkaMockProgram",
            dependencies: ["Kafka", "KafkaMock", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            swiftSettings: strict),
        .target(
            name: "RegistryMock",
            dependencies: [
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "RegistryMockProgram",
            dependencies: ["RegistryMock", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            swiftSettings: strict),
        .target(name: "AllocationCounter", path: "Benchmarks/AllocationCounter"),
        .executableTarget(
            name: "HotPath", dependencies: ["AllocationCounter", "Loading", "Kafka", "Postgres", "Records", "Schemas"],
            path: "Benchmarks/HotPath", swiftSettings: strict),
        .target(
            name: "TestSupport",
            dependencies: [
                "CRdKafka", "Kafka", "KafkaMock", "Postgres", "RegistryMock",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            path: "Tests/TestSupport",
            swiftSettings: strict),
        .target(
            name: "LoadingFixtures", dependencies: ["Loading", "Kafka", "Postgres", "Records"],
            path: "Tests/LoadingFixtures", swiftSettings: strict),
        .executableTarget(
            name: "Faults",
            dependencies: [
                "TestSupport", "Kafka", "KafkaMock", "Postgres",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Faults", swiftSettings: strict),
        .target(
            name: "FuzzTargets", dependencies: ["Records", "Schemas"], path: "Fuzz/Targets", swiftSettings: strict),
        .executableTarget(
            name: "Fuzz", dependencies: ["FuzzTargets"], path: "Fuzz/Program", swiftSettings: strict),
        .target(name: "CSimulation", path: "Simulation/Kernel"),
        .target(name: "SimulatedPostgres", path: "Simulation/Postgres", swiftSettings: quick),
        .executableTarget(
            name: "Simulate",
            dependencies: [
                "CSimulation", "CRdKafka", "CLibPQ", "SimulatedPostgres", "Loading", "LoadingFixtures", "Kafka",
                "Postgres", "Records", "Schemas", "Credentials", "Web",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Simulation", exclude: ["Kernel", "Postgres"], swiftSettings: quick),
        .testTarget(name: "KafkaTests", dependencies: ["Kafka", "KafkaMock", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "PostgresTests", dependencies: ["Postgres", "RegistryMock", "TestSupport"], swiftSettings: strict),
        .testTarget(name: "WebTests", dependencies: ["Web", "RegistryMock", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "RecordsTests",
            dependencies: ["Records", "TestSupport", .product(name: "SwiftProtobuf", package: "swift-protobuf")],
            swiftSettings: strict),
        .testTarget(
            name: "SchemasTests",
            dependencies: [
                "AllocationCounter", "Schemas", "Credentials", "Records", "RegistryMock", "TestSupport", "Web",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "CredentialsTests", dependencies: ["CCrypto", "Credentials", "RegistryMock", "TestSupport", "Web"],
            swiftSettings: strict),
        .testTarget(
            name: "LoadingTests",
            dependencies: [
                "AllocationCounter", "Loading", "LoadingFixtures", "Kafka", "Postgres", "Records", "RegistryMock",
                "Schemas",
                "TestSupport",
                .product(name: "InMemoryTracing", package: "swift-distributed-tracing"),
            ], swiftSettings: strict),
        .testTarget(name: "ExplorationTests", dependencies: ["Loading", "Kafka"], swiftSettings: quick),
        .testTarget(
            name: "OperatingTests",
            dependencies: [
                "Operating", "Loading", "LoadingFixtures", "Kafka", "Postgres", "Records", "TestSupport",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "SimulatedPostgresTests",
            dependencies: [
                "CLibPQ", "SimulatedPostgres", "Loading", "LoadingFixtures", "Postgres", "TestSupport",
            ],
            swiftSettings: strict),
        .testTarget(name: "FuzzTests", dependencies: ["FuzzTargets", "TestSupport"], swiftSettings: strict),
        .testTarget(name: "TidyTests", swiftSettings: strict),
        .testTarget(
            name: "LoaderTests", dependencies: ["Loader", "Loading", "LoadingFixtures", "Records", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "IntegrationTests",
            dependencies: [
                "Loader", "Operating", "Loading", "Kafka", "KafkaMock", "Postgres", "Records", "RegistryMock",
                "Credentials", "Schemas", "TestSupport",
            ],
            swiftSettings: strict),
    ],
    cxxLanguageStandard: .cxx20
)
