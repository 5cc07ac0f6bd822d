"""How an answer is rendered: templates compiled once, their functions, what they see of the request."""
