"""Credentials planted in front of every built-in auth plugin, and where they could come out."""
