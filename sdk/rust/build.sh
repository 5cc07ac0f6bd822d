#!/bin/sh
# Builds a plugin from Rust: sdk/rust/build.sh <folder of the crate> <output file>
#
# Uses the toolchain in $RUSTC and $CARGO (default: rustc and cargo on the path). With rustup it needs, once:
#     rustup target add wasm32-unknown-unknown
# A toolchain without that target must bring the sources of its standard library, which is compiled, too, and the linker wasm-ld: Debian's
# rustc-web, cargo-web, rust-web-src and lld.
#
# The same toolchain gives the same bytes wherever it runs: dependencies are locked, paths are remapped, and a crate on the kit, which it
# names by a path, mockforge-plugin = { path = "…" }, is built with the kit in one workspace, since cargo makes the place of what is outside
# a workspace a part of the names that order the code. What the file was built from is written to built-from.txt in the crate's folder.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
crate=$(cd "$1" && pwd)
name=$(sed -n 's/^name = "\(.*\)"/\1/p' "$crate/Cargo.toml" | head -n 1)
output=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
kit=$(sed -n 's/^mockforge-plugin = .*path = "\([^"]*\)".*/\1/p' "$crate/Cargo.toml")
export RUSTC="${RUSTC:-rustc}" CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$here/target/plugins}"
cargo=${CARGO:-cargo}
root=$("$RUSTC" --print sysroot)
flags="--remap-path-prefix=mockforge-kit=/kit --remap-path-prefix=$root=/rust"
set -- build --release --locked --target wasm32-unknown-unknown
if [ ! -d "$root/lib/rustlib/wasm32-unknown-unknown/lib" ]; then
    if [ ! -e "$root/lib/rustlib/src/rust/library/Cargo.lock" ]; then
        echo "build.sh: $RUSTC ($root) cannot make WebAssembly yet. With rustup run: rustup target add wasm32-unknown-unknown" >&2
        echo "With Debian's rustc-web, cargo-web, rust-web-src and lld set: RUSTC=/usr/bin/rustc CARGO=/usr/bin/cargo" >&2
        exit 1
    fi
    export RUSTC_BOOTSTRAP=1
    linker=-Clinker=wasm-ld
    set -- "$@" -Zbuild-std=std,panic_abort
fi
cd "$crate"
"$cargo" fetch # the sources, whose places are remapped; Cargo.lock is written where it is new or lacks something
for sources in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do flags="$flags --remap-path-prefix=$sources=/crates"; done
if [ -n "$kit" ]; then
    kit=$(cd "$kit" && pwd)
    stage=$CARGO_TARGET_DIR/stage-$name
    rm -rf "$stage"
    mkdir -p "$stage/mockforge-kit"
    for part in "$crate"/* "$crate"/.cargo; do [ ! -e "$part" ] || ln -s "$part" "$stage/"; done
    rm "$stage/Cargo.toml"
    sed 's|^\(mockforge-plugin = .*path = "\)[^"]*|\1mockforge-kit|' Cargo.toml > "$stage/Cargo.toml"
    grep -v '^\[workspace\]' "$kit/Cargo.toml" > "$stage/mockforge-kit/Cargo.toml"
    ln -s "$kit/src" "$stage/mockforge-kit/src"
    cd "$stage"
fi
# Paths in a workspace are relative to it: no flag names it, so that all plugins share what is compiled once.
export RUSTFLAGS="$flags ${linker:-}"
# A crate of the same name in another folder would be taken for this one where its files are older than what was built of it.
"$cargo" clean --quiet --release --target wasm32-unknown-unknown -p "$name" ${kit:+-p mockforge-plugin}
"$cargo" "$@"
cp "$CARGO_TARGET_DIR/wasm32-unknown-unknown/release/$(echo "$name" | tr - _).wasm" "$output"
chmod 644 "$output"
cd "$crate"
{
    "$RUSTC" --version
    sha256sum Cargo.toml Cargo.lock src/*.rs
    if [ -n "$kit" ]; then (cd "$kit" && sha256sum Cargo.toml src/*.rs) | sed 's|  |  kit/|'; fi
} > built-from.txt
