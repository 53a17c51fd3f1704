"""The commands behind ``harness``: the console's headless twins."""
