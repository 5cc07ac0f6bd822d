"""What several data sources stand on, a package for each engine. For native plugins: it is not in the sandbox, and imports drivers."""
