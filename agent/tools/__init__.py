"""What the agent can do. Every tool plans first (changing nothing) and runs only when policy let it."""
