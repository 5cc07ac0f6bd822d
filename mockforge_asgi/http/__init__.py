"""Requests and answers: the only code that reads and sends ASGI messages."""
