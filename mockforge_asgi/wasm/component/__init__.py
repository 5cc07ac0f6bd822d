"""Guests that are components, sandboxed Python among them."""
