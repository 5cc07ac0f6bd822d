"""Tables: files and SQLite databases, asked in SQL.

Every file becomes a private SQLite file (`build`, `cache`), which all workers share and only read (`connection`). A format is a `Reader`
that gives `Sheet`s; all else, from the types of columns to pages, is the same for all of them.
"""
