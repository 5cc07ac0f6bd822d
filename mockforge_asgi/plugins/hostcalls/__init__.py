"""The guarded host functions that plugins may call, under their grants."""
