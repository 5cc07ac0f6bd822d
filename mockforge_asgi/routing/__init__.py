"""Which path is meant and what matches it: patterns, globs, the index of routes, conditions, ambiguity."""
