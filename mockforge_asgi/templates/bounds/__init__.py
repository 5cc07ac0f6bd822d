"""What a template may use up: the meter, and the Jinja environment in which every construct is bounded."""
