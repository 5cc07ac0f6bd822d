"""What is told of what happens: log lines."""
