"""Guests of the Extism ABI: core modules upon a kernel of our own."""
