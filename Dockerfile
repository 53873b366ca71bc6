# syntax=docker/dockerfile:1
FROM swift:6.3-bookworm AS build
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends libcurl4-openssl-dev librdkafka-dev libpq-dev libsimdjson-dev \
        pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# What was built before is kept beside the image, so that a change compiles only what it touches.
# There is no repository here, so `loader version` is told its commit: --build-arg COMMIT=$(git rev-parse --short=12 HEAD)
ARG COMMIT=unknown
RUN --mount=type=cache,target=/src/.build \
    LOADER_COMMIT=$COMMIT swift build -c release --product loader --static-swift-stdlib \
    && install -D "$(swift build -c release --show-bin-path)/loader" /out/loader

FROM debian:bookworm-slim
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends ca-certificates libcurl4 libpq5 librdkafka1 libsimdjson14 tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home loader
COPY --from=build /out/loader /usr/local/bin/loader
COPY migrations /loader/migrations
WORKDIR /loader
USER 10001:10001
# Only inside of the container: publish the port to reach the metrics.
ENV LOADER_HTTP_LISTEN=0.0.0.0:9464
EXPOSE 9464
# Alive means that its threads go round, not that Kafka and PostgreSQL are there: an outage is waited for, not restarted.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9464 && printf 'GET /health/live HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q '^HTTP/1.[01] 200' <&3"]
# The loader handles SIGTERM itself, and has no children to wait for.
ENTRYPOINT ["/usr/local/bin/loader"]
CMD ["run"]
