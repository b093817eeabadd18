# Each recipe is one command, so that nobody needs `just`: read it here and run it.

_list:
    @just --list --unsorted

# Format the code
fmt:
    cargo fmt

# Lint as CI does
lint:
    cargo clippy --all-targets -- -D warnings

# Build the documentation, private items included
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items

# Run all tests
test:
    cargo test

# Write the schema that the program prints to schema.graphql
schema:
    cargo run --quiet -- schema > schema.graphql

# Check licences, duplicates and sources of the dependencies (advisories too where GitHub is reached: cargo deny check)
deny:
    cargo deny check bans licenses sources

# All of the above that changes nothing
check: _fmt-check lint doc test deny

_fmt-check:
    cargo fmt --check

# Run the gateway and the sandbox on this machine
demo:
    cargo run --release -- demo

# Build the container image
image:
    docker build --tag intune-graphql:local .
