"""From an author's code to the operations that a host asks for: calls are dispatched to methods, and what these return becomes documents.

Authors import nothing of it: what they use stands one level up.
"""
