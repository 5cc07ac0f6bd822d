"""Plugins as the chains see them: manifests, packages, host calls, the native host, loading, the registry."""
