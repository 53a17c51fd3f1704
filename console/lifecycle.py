"""The ends of the process: what is loaded after the first frame, signals, and closing within a deadline."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import threading
from collections.abc import Callable, Coroutine
from typing import Any


def install_signal_handlers(leave: Callable[[int], None]) -> None:
    """Call ``leave(number)`` on TERM, HUP and INT; does nothing where the loop cannot have handlers."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        try:
            loop.add_signal_handler(number, leave, int(number))
        except (NotImplementedError, RuntimeError, ValueError):
            return


async def close_within(closing: Coroutine[Any, Any, None], seconds: float) -> bool:
    """Await ``closing`` for at most ``seconds``; True when it ended in time and without an error."""
    try:
        async with asyncio.timeout(seconds):
            await closing
    except TimeoutError:
        return False
    except Exception:
        return False
    return True


def end_for_certain(code: int, seconds: float) -> None:
    """End the process with ``code`` after ``seconds`` if it has not ended by itself.

    A terminal that is gone can block the thread that draws for good; then no coroutine runs any more, so this is
    a thread. Whatever the process held ends with it: the locks, and the service by its lifeline.
    """
    timer = threading.Timer(seconds, os._exit, (code,))
    timer.daemon = True
    timer.start()


def warm_up() -> None:
    """Import what is opened later, in a thread, so that the first opening does not wait for it."""
    names = ["approval", "chaos", "confirm", "help", "log", "ticket", "ticket_form"]
    if os.environ.get("HARNESS_NO_WARMUP"):
        return
    for name in names:
        importlib.import_module(f"console.screens.{name}")
    importlib.import_module("rich.markdown")
