"""What a plugin may reach, and how it is kept to that: permissions, secrets, redaction, egress."""
