"""``python -m service.ratelimiter``: serve, or check a configuration file.

Exit codes: 0 stopped on request, 1 ``--check-config`` found the file invalid, 2 usage, 69 the address
cannot be had, 78 the configuration is invalid at the start.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from service.ratelimiter.config import ConfigError, LiveConfig, ServiceConfig, read_config
from service.ratelimiter.logs import JsonLog

EXIT_UNAVAILABLE = 69
EXIT_CONFIG = 78


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    if arguments.print_config_schema:
        print(json.dumps(ServiceConfig.model_json_schema(), indent=2))
        return 0
    if arguments.check_config is not None:
        try:
            read_config(arguments.check_config)
        except ConfigError as error:
            print(error, file=sys.stderr)
            return 1
        return 0
    log = JsonLog()
    try:
        config = LiveConfig(arguments.config)
    except ConfigError as error:
        log.write("error", "config_invalid", error=str(error), effect="not started")
        return EXIT_CONFIG
    # Imported only now: the checks above need no web framework.
    from service.ratelimiter.serve import AddressUnavailable, listen, serve

    try:
        listener = listen(arguments.host, arguments.port)
    except AddressUnavailable as error:
        log.write("error", "address_unavailable", error=str(error), effect="not started")
        return EXIT_UNAVAILABLE
    serve(config, log, listener, exit_with_parent=arguments.exit_with_parent)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="service.ratelimiter", description="A token-bucket rate limiter.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8001, help="port to listen on (default 8001; 0 = any free)")
    parser.add_argument(
        "--config",
        type=Path,
        default=Path("service_config.json"),
        help="configuration file, obeyed live (default service_config.json in the working folder)",
    )
    parser.add_argument("--exit-with-parent", action="store_true", help="stop when the starting process is gone")
    parser.add_argument("--check-config", type=Path, metavar="FILE", help="check FILE and exit: 0 valid, 1 not")
    parser.add_argument("--print-config-schema", action="store_true", help="print the JSON schema and exit")
    return parser


if __name__ == "__main__":
    sys.exit(main())
