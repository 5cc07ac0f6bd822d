"""WebAssembly compiled in a limited process and kept in a private cache."""
