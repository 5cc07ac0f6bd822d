"""Edits that count from the next request."""
