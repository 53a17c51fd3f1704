"""``python -m console`` is ``harness-tui``."""

from console.cli import main

main()
