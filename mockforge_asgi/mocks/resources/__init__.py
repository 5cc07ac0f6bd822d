"""Resources: rows of a table, or anything else that is a collection, as a list and items that can be read, made, changed and deleted."""
