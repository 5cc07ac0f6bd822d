"""What data sources of SQL databases have in common: texts with `:name` parameters, pages, pools, deadlines, failures.

A source adds its driver (`Connection` of `connections.py`) and its `Dialect`. Native plugins only.
"""
