# An image that holds `verify`, which is static, and the certificates of public authorities.
#
#   docker build -t verify .                              builds from source
#   docker build -t verify --build-arg BINARY=dist .      takes dist/amd64/verify, dist/arm64/verify as they are
#   docker run --rm -v "$PWD:/work:ro" verify suite.yml

ARG BINARY=build
ARG BASE=gcr.io/distroless/static-debian12:nonroot

FROM rust:1.95.0-slim-bookworm AS build
RUN apt-get update -q && apt-get install -q -y --no-install-recommends musl-tools
WORKDIR /source
COPY Cargo.toml Cargo.lock rust-toolchain.toml ./
COPY benches benches
COPY crates crates
COPY src src
RUN target=$(uname -m)-unknown-linux-musl && rustup target add $target \
    && cargo build --locked --profile dist --target $target --bin verify && cp target/$target/dist/verify /verify

# Binaries made before, as a release has them.
FROM scratch AS dist
ARG TARGETARCH
COPY dist/${TARGETARCH}/verify /verify

FROM ${BINARY} AS binary

FROM ${BASE}
COPY --from=binary --chmod=0755 /verify /usr/local/bin/verify
# By number, so that Kubernetes can tell that it is not root.
USER 65532:65532
WORKDIR /work
ENTRYPOINT ["/usr/local/bin/verify"]
