"""Trusted Python plugins: in this process, in threads, or in worker processes that can be killed."""
