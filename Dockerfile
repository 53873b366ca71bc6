# syntax=docker/dockerfile:1
# Debian 13, for its librdkafka 2.8 and libpq 17: with 12's librdkafka 2.0.2 current brokers refuse SCRAM. There is no image of
# Swift on it; the toolchain for Debian 12 runs there.
FROM debian:trixie-slim AS build
ARG SWIFT=6.3.1
COPY deploy/image/steps /steps
RUN /steps toolchain
RUN case $(dpkg --print-architecture) in arm64) platform=debian12-aarch64 ;; *) platform=debian12 ;; esac \
    && name=swift-$SWIFT-RELEASE \
    && url=https://download.swift.org/swift-$SWIFT-release/$platform/$name/$name-$platform.tar.gz \
    && curl -fsSL "$url" -o /tmp/swift.tar.gz && curl -fsSL "$url.sig" -o /tmp/swift.tar.gz.sig \
    && curl -fsSL https://swift.org/keys/all-keys.asc | gpg --quiet --import - \
    && gpg --quiet --batch --verify /tmp/swift.tar.gz.sig /tmp/swift.tar.gz \
    && tar -xzf /tmp/swift.tar.gz --directory / --strip-components=1 \
    && rm -rf /tmp/swift.tar.gz /tmp/swift.tar.gz.sig ~/.gnupg && swift --version
WORKDIR /src
COPY . .
# What was built before is kept beside the image, so that a change compiles only what it touches.
# There is no repository here, so `loader version` is told its commit: --build-arg COMMIT=$(git rev-parse --short=12 HEAD)
ARG COMMIT=unknown
RUN --mount=type=cache,target=/src/.build LOADER_COMMIT=$COMMIT /steps build

FROM debian:trixie-slim
COPY --from=build /out/packages /out/packages
COPY deploy/image/steps /steps
RUN /steps packages
COPY --from=build /out/loader /usr/local/bin/loader
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
