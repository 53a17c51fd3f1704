"""Failures that a person reads: one line with what, why and the mend, and an exit code."""

from __future__ import annotations

DONE, FAILED, USAGE, NOT_FOUND, REFUSED = range(5)


class Failure(Exception):
    """Ends a command with its message on stderr and ``exit_code``."""

    exit_code = FAILED


class UsageFailure(Failure):
    exit_code = USAGE


class NotFoundFailure(Failure):
    exit_code = NOT_FOUND


class RefusedFailure(Failure):
    exit_code = REFUSED
