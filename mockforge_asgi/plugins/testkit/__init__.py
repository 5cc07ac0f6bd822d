"""A plugin called and tested without a server: the harness, its cases, and what stands in for the world."""
