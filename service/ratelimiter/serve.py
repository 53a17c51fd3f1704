"""Runs the application on a socket until a signal, keeping its configuration fresh."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Iterator

import uvicorn

from service.ratelimiter.app import RateLimiter, build_app
from service.ratelimiter.config import POLL_SECONDS, LiveConfig
from service.ratelimiter.logs import JsonHandler, JsonLog

BACKLOG = 2048
GRACE_SECONDS = 3


class AddressUnavailable(OSError):
    """The address cannot be listened on; one line."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises AddressUnavailable."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise AddressUnavailable(f"{host}: {error.strerror or error}") from None
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise AddressUnavailable(f"port {port} on {host} cannot be had: {reason}") from None
    return listener


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handling, which would end the process by the signal at last."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(config: LiveConfig, log: JsonLog, listener: socket.socket, *, exit_with_parent: bool) -> None:
    """Serve on ``listener`` until SIGTERM or SIGINT (a second one cuts open requests off)."""
    logging.basicConfig(level=logging.WARNING, handlers=[JsonHandler(log)], force=True)
    limiter = RateLimiter(config, log)
    settings = uvicorn.Config(
        build_app(limiter),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        backlog=BACKLOG,
    )
    server = _Server(settings)
    with asyncio.Runner(loop_factory=settings.get_loop_factory()) as runner:
        runner.run(_run(server, limiter, listener, exit_with_parent))


async def _run(server: _Server, limiter: RateLimiter, listener: socket.socket, exit_with_parent: bool) -> None:
    parent = os.getppid()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    async def keep_fresh() -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            limiter.poll_config()
            if exit_with_parent and os.getppid() != parent:
                limiter.log.write("warning", "parent_gone")
                os._exit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    port = listener.getsockname()[1]
    limiter.log.write("info", "listening", port=port, pid=os.getpid(), config=limiter.config.public())
    fresh = asyncio.create_task(keep_fresh())
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        # Whichever ends first: a configuration loop that failed must not leave a service deaf to its file.
        done, _ = await asyncio.wait({fresh, serving}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        fresh.cancel()
        server.should_exit = True
        await asyncio.gather(serving, fresh, return_exceptions=True)
        limiter.log.write("info", "stopped")
