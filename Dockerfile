# The gateway's image, without the sandbox, and the sandbox's image. Both the classic builder and BuildKit accept all
# instructions.
#
#   docker build -t intune-graphql .
#   docker run --rm -p 127.0.0.1:4000:4000 intune-graphql
#   docker build -t msgraph-sandbox --target sandbox .
#
# NODE_IMAGE needs npm and Node.js 18 or later, to build GraphiQL.
# RUST_IMAGE needs cargo, rustc and a linker; its version is the channel of rust-toolchain.toml. RUNTIME_IMAGE needs
# glibc and libgcc, at least as new as those of the builder, and nothing else: no shell, no package manager.
ARG NODE_IMAGE=docker.io/library/node:22-bookworm-slim
ARG RUST_IMAGE=docker.io/library/rust:1.95.0-slim-bookworm
ARG RUNTIME_IMAGE=docker.io/library/debian:bookworm-slim

FROM ${NODE_IMAGE} AS ide
WORKDIR /ide
COPY ide/package.json ide/package-lock.json ./
# Where npm goes and how it trusts it: set on machines that have a registry of their own.
ARG NPM_CONFIG_REGISTRY
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY ide ./
RUN npm run build

FROM ${RUST_IMAGE} AS build
WORKDIR /build
# Without them, as Cargo.toml says. A test of the image may save time with less optimization.
ARG CARGO_PROFILE_RELEASE_LTO
ARG CARGO_PROFILE_RELEASE_CODEGEN_UNITS
ARG CARGO_PROFILE_RELEASE_OPT_LEVEL
# The dependencies are a layer of their own, which only the manifests and the lock file change.
COPY Cargo.toml Cargo.lock ./
COPY crates/graphql-prepare/Cargo.toml crates/graphql-prepare/
COPY crates/msgraph-sandbox/Cargo.toml crates/msgraph-sandbox/
RUN for crate in . crates/graphql-prepare crates/msgraph-sandbox; do \
      mkdir -p $crate/src && echo 'fn main() {}' > $crate/src/main.rs && touch $crate/src/lib.rs; \
    done \
 && rm crates/graphql-prepare/src/main.rs \
 && echo 'fn main() {}' > build.rs \
 && cargo build --release --locked --no-default-features -p intune-graphql \
 && cargo build --release --locked -p msgraph-sandbox \
 && rm -r src build.rs crates/*/src
COPY . .
COPY --from=ide /ide/dist ide/dist
# Newer than the placeholders above, which cargo would otherwise use as the programs.
RUN touch build.rs src/main.rs src/lib.rs crates/*/src/*.rs \
 && cargo build --release --locked -p msgraph-sandbox \
 && cargo build --release --locked --no-default-features -p intune-graphql \
 && mkdir /state

FROM ${RUNTIME_IMAGE} AS sandbox
LABEL org.opencontainers.image.title="msgraph-sandbox" \
      org.opencontainers.image.description="An in-memory Microsoft Graph (Intune app provisioning) over HTTP, with faults, for testing Graph clients" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /build/LICENSE-MIT /build/LICENSE-APACHE /usr/share/doc/msgraph-sandbox/
COPY --from=build /build/target/release/msgraph-sandbox /usr/local/bin/msgraph-sandbox
USER 65532:65532
WORKDIR /
ENV MSGRAPH_SANDBOX_LISTEN=0.0.0.0:4010
EXPOSE 4010
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
  CMD ["/usr/local/bin/msgraph-sandbox", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/msgraph-sandbox"]

FROM ${RUNTIME_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="intune-graphql" \
      org.opencontainers.image.description="A typed GraphQL façade over Microsoft Graph's Intune app provisioning endpoints" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Microsoft Graph is reached over TLS, and a small runtime image may bring no certificate authorities.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /build/LICENSE-MIT /build/LICENSE-APACHE /usr/share/doc/intune-graphql/
COPY --from=build /build/target/release/intune-graphql /usr/local/bin/intune-graphql
# For `--state-file` on a volume: a new volume takes over the owner of this folder.
COPY --from=build --chown=65532:65532 /state /var/lib/intune-graphql
# A number, so that an orchestrator can see that it is not root, and no /etc/passwd is needed.
USER 65532:65532
WORKDIR /
# In a container, loopback is not reachable from outside.
ENV INTUNE_GRAPHQL_LISTEN=0.0.0.0:4000 \
    INTUNE_GRAPHQL_ADMIN_LISTEN=0.0.0.0:4001
EXPOSE 4000 4001
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
  CMD ["/usr/local/bin/intune-graphql", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/intune-graphql"]
CMD ["serve"]
