"""`mockforge source`: the data sources of a configuration, asked from the command line."""
