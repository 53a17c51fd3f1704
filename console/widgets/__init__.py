"""One widget per file; each is handed its slice of the state and never fetches."""
