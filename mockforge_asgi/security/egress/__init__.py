"""HTTP requests of plugins: only to where a rule allows, checked after name resolution, bounded on the way."""
