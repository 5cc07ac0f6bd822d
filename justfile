# Short names for the commands in scripts/: `just test -k routes`.
set positional-arguments

_list:
    @just --list

# Serve the quickstart
serve *arguments:
    ./scripts/serve "$@"

# Run the tests
test *arguments:
    ./scripts/test "$@"

# Lint, format, types, layout
check:
    ./scripts/check

# Rewrite the files as the linter wants them
format:
    .venv/bin/ruff check --fix . && .venv/bin/ruff format .

# Build the documentation, or `just docs serve` it
docs *arguments:
    ./scripts/docs "$@"

# Look up every dependency in the advisory databases
audit:
    ./scripts/audit

# Build wheel and source archive, and try the wheel
package:
    ./scripts/package

# Measure
bench *arguments:
    ./scripts/bench "$@"

# Fuzz
fuzz *arguments:
    ./scripts/fuzz "$@"

# All that continuous integration runs
ci:
    ./.ci/run
