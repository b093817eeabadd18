# Each recipe is one command, which also works without `just`.

_list:
    @just --list --unsorted

# Format the code
fmt:
    cargo fmt --all && cargo fmt --manifest-path fuzz/Cargo.toml

# Lint as CI does
lint:
    cargo clippy --all-targets -- -D warnings && cargo clippy -p intune-graphql --no-default-features -- -D warnings && cargo clippy -p intune-graphql --features benchmarks --benches -- -D warnings

# Build the documentation, private items included
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items

# Run all tests
test:
    cargo test

# Run the tests of replicas that share state (needs redis-server)
test-replicas:
    cargo test --test replicas

# Write the schema that the program prints to schema.graphql
schema:
    cargo run --quiet -- schema > schema.graphql

# Check licences, duplicates and sources of the dependencies (advisories too where GitHub is reached: cargo deny check)
deny:
    cargo deny check bans licenses sources

# Check that no source files import each other, and that layers import only those below them
structure:
    tests/structure/run

# All of the above that changes nothing
check: _fmt-check lint doc test deny structure

_fmt-check:
    cargo fmt --all --check && cargo fmt --check --manifest-path fuzz/Cargo.toml

# Check that no write is lost or duplicated: 20 000 calls each, with hard faults too, then 2000 statuses under Intune's limits (40 minutes; needs a C compiler)
write-consistency:
    cargo build --release --example write_consistency
    cargo run --release --example write_consistency -- load --ids keep
    cargo run --release --example write_consistency -- load --ids ignore
    cargo run --release --example write_consistency -- load --ids keep --false-rejections
    cargo run --release --example write_consistency -- load --ids ignore --false-rejections
    cargo run --release --example write_consistency -- load --faults hard --clients 256 --ids keep
    cargo run --release --example write_consistency -- load --faults hard --clients 256 --ids ignore
    cargo run --release --example write_consistency -- throttling

# Check that no write is lost or duplicated through three replicas with one Redis server, all of them disturbed: a recorded history, checked (11 minutes; needs redis-server and a C compiler)
replica-consistency:
    cargo run --release --example write_consistency -- replicas --duration 10m

# Upgrade replicas from the gateway of a git revision to this one and back, with both running: tests, and a recorded history, checked (10 minutes; needs redis-server and a C compiler)
rolling-upgrade revision:
    tests/replicas/rolling_upgrade {{revision}}

# Count Graph's 429 under load through three gateways, with and without a shared Retry-After (2 minutes; needs redis-server)
replicas-throttling:
    cargo run --example write_consistency -- replicas-throttling

# Stage each alert in front of a real Prometheus, and ask for each query of the dashboard (installs Debian's prometheus and redis-server)
observability:
    tests/observability/run

# Check the Helm chart (needs npm and Python)
chart:
    tests/chart/run

# Build GraphiQL into ide/dist, for the next cargo build to embed (needs npm)
ide:
    npm ci --prefix ide --ignore-scripts --no-audit --no-fund && npm run --prefix ide build

# Build the program as it is released: with the full GraphiQL (needs npm)
release: ide
    cargo build --release --locked --bin intune-graphql

# Try the page that target/debug/intune-graphql embeds in a browser (needs npm and Chromium)
browser:
    npm ci --prefix tests/clients/browser --ignore-scripts --no-audit --no-fund && npm test --prefix tests/clients/browser

# Count the instructions that documents and variables of n and 2n bytes take, hostile ones and large ones (needs valgrind)
linear:
    tests/linear/run

# Count the instructions per request of the whole gateway, and compare them with the kept figures (needs valgrind)
instructions:
    tests/instructions/run

# Measure CPU time, latency and memory of the gateway in front of the sandbox; BENCH_COMPARE names a comparison program to run as well
bench *options:
    bench/run {{options}}

# Measure the steps of a request without network
bench-steps:
    cargo bench --features benchmarks --bench steps

# Fuzz each target for ten minutes (needs cargo-fuzz and a C++ compiler; tries changed seeds without)
fuzz:
    fuzz/run 600

# Ten minutes of hostile and honest load at the same time
hostile-load:
    cargo run --release --example hostile_load

# Run the gateway and the sandbox on this machine
demo:
    cargo run --release -- demo

# Build the container image
image:
    docker build --tag intune-graphql:local . && docker build --tag msgraph-sandbox:local --target sandbox .

# Write the tables of settings in docs/ anew
docs:
    UPDATE_DOCS=1 cargo test --test it docs

# Take docs/example-app.png again, from target/debug/intune-graphql (needs npm and Chromium)
screenshot:
    npm ci --prefix examples/web --ignore-scripts --no-audit --no-fund && npm run --prefix examples/web build && npm run --prefix examples/web screenshot
