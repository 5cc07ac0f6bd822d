#!/bin/sh
# Builds an Extism plugin from Rust: sdk/rust/build.sh <folder of the crate> <output file>
#
# Uses the toolchain in $RUSTC and $CARGO (default: rustc and cargo on the path). It must bring the sources of the standard
# library, as Debian's packages rustc-web, cargo-web and rust-web-src do; the package lld gives the linker.
# The same toolchain gives the same bytes wherever it runs: paths are remapped, dependencies are locked. Of a crate on the kit only where the
# kit lies at the same path: cargo puts the path of what is outside a workspace into the names that order the code. What the file was
# built from is written to built-from.txt in the crate's folder; a test compares it with the sources. A crate on the kit names it by
# its path: mockforge-plugin = { path = "…" }.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
crate=$(cd "$1" && pwd)
name=$(sed -n 's/^name = "\(.*\)"/\1/p' "$crate/Cargo.toml" | head -n 1)
output=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
export RUSTC="${RUSTC:-rustc}" RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$here/target/$name}"
cargo=${CARGO:-cargo}
sources=$("$RUSTC" --print sysroot)/lib/rustlib/src/rust/library
if [ ! -e "$sources/Cargo.lock" ]; then
    echo "build.sh: $RUSTC brings no sources of its standard library ($sources). With Debian's rustc-web and rust-web-src set" >&2
    echo "RUSTC=/usr/bin/rustc CARGO=/usr/bin/cargo; with rustup run: cargo build --release --target wasm32-unknown-unknown" >&2
    exit 1
fi
cd "$crate"
[ -f Cargo.lock ] || "$cargo" generate-lockfile
"$cargo" fetch --locked
kit=$(sed -n 's/^mockforge-plugin = .*path = "\([^"]*\)".*/\1/p' Cargo.toml)
kit=$(cd "${kit:-..}" && pwd)
RUSTFLAGS="-Clinker=wasm-ld --remap-path-prefix=$kit=/kit --remap-path-prefix=$crate=/plugin --remap-path-prefix=$("$RUSTC" --print sysroot)=/rust"
for sources in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do RUSTFLAGS="$RUSTFLAGS --remap-path-prefix=$sources=/crates"; done
export RUSTFLAGS
"$cargo" build --release --locked --target wasm32-unknown-unknown -Zbuild-std=std,panic_abort
cp "$CARGO_TARGET_DIR/wasm32-unknown-unknown/release/$(echo "$name" | tr - _).wasm" "$output"
chmod 644 "$output"
{
    "$RUSTC" --version
    sha256sum Cargo.toml Cargo.lock src/*.rs
    if grep -q '^mockforge-plugin = ' Cargo.toml; then (cd "$kit" && sha256sum Cargo.toml src/*.rs) | sed 's|  |  kit/|'; fi
} > built-from.txt
