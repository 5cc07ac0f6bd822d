"""Documents that people write, read and checked: YAML and JSON with the line of every value, faults with their remedy."""
