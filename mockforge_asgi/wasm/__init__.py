"""The sandbox: everything that touches wasmtime, and the only package that does."""

from mockforge_asgi.wasm.platform import check_wheel

check_wheel()  # before any module here takes a function from the bindings that is not there
