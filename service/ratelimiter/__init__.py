"""A token-bucket rate limiter over HTTP: the first subject. It imports nothing of the harness."""
