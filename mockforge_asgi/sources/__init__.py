"""Data sources: named, parameterised queries, whoever asks and whatever plugin answers."""
