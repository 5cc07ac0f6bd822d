"""What sources over HTTP APIs stand on: parameters in their places, credentials, JSON that keeps its numbers, rows."""
