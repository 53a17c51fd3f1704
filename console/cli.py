"""The command line's door: the console at once when nothing else is asked for, else the verbs.

Only this module and the console itself are imported before the first frame; Typer and everything behind the
verbs load only when a verb is named.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Entry point of ``harness-tui`` and ``harness``."""
    if len(sys.argv) > 1:
        from console.verbs.app import run

        raise SystemExit(run())
    raise SystemExit(open_console())


def open_console() -> int:
    """Open the console on this terminal; its exit code. Without a terminal says so and returns 2."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print(
            "harness-tui needs a terminal for its screen and there is none here; use `harness run` instead",
            file=sys.stderr,
        )
        return 2
    if os.environ.get("TERM", "") in {"", "dumb"}:
        print(
            f"harness-tui cannot draw on TERM={os.environ.get('TERM', '')!r}; use `harness run` or another terminal",
            file=sys.stderr,
        )
        return 2
    import gc

    gc.disable()  # nothing that the imports make is garbage; the app switches it on after the first frame
    from console.app import HarnessApp
    from console.live import LiveBoot

    app = HarnessApp(LiveBoot())
    app.run()
    return app.return_code or 0


if __name__ == "__main__":
    main()
