"""What decides the next step: one interface, several brains."""
