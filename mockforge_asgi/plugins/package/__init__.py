"""A plugin's package and manifest: read, checked, described, before any of its code runs."""
