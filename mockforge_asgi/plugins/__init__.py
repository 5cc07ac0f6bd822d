"""Plugins as the chains see them: manifests, packages, doors, the native host, loading, the registry."""
