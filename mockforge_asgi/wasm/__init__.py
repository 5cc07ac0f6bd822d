"""The sandbox: everything that touches wasmtime, and the only package that does."""
