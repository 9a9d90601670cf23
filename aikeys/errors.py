"""Every way aikeys fails, with its exit status and the HTTP status of the gateway. Raised where it happens, shown by
cli/boundary.py and gateway/http/error_bodies.py only.

The exit statuses are frozen (design: exit statuses); unknown non-zero means failure. HTTP 500 and 503 are failures of
aikeys itself: what they say is for whoever runs the gateway, never for its clients.
This module must stay import-free: `exec` loads it before anything else.
"""

from __future__ import annotations

EXIT_STATUSES: dict[int, str] = {
    0: "ok",
    1: "internal error, or the machine failed (disk full, no permission)",
    2: "usage",
    3: "cancelled, or input is needed, but this is not interactive",
    10: "not found",
    11: "locked: no way to unlock",
    12: "wrong passphrase",
    13: "damaged or tampered",
    14: "bad configuration",
    15: "exists already",
    20: "denied (scope)",
    21: "token invalid, expired or revoked",
    22: "budget exceeded",
    23: "cannot decide: price, budget or ledger missing",
    24: "warning threshold reached",
    25: "findings",
    30: "provider refused or failed",
    31: "network",
    32: "rate limited",
    125: "exec: aikeys itself failed",
    126: "exec: the program cannot be executed",
    127: "exec: the program was not found",
    130: "interrupted",
}


class AikeysError(Exception):
    """One sentence without a full stop that names the thing, and a hint that says what to do."""

    code = "internal_error"
    exit_status = 1
    http_status = 500

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class MachineFailed(AikeysError):
    """The disk is full, a file cannot be written, the database stays busy."""

    code = "machine_failed"
    http_status = 503


class UsageError(AikeysError):
    code = "usage"
    exit_status = 2
    http_status = 400


class Cancelled(AikeysError):
    """The user said no, or a question would be needed and may not be asked."""

    code = "cancelled"
    exit_status = 3


class NotFound(AikeysError):
    code = "not_found"
    exit_status = 10
    http_status = 404


class Locked(AikeysError):
    code = "locked"
    exit_status = 11
    http_status = 503


class WrongPassphrase(AikeysError):
    code = "wrong_passphrase"
    exit_status = 12


class Damaged(AikeysError):
    """A file is damaged, edited, swapped or older than what is anchored elsewhere."""

    code = "damaged"
    exit_status = 13


class BadConfiguration(AikeysError):
    code = "bad_configuration"
    exit_status = 14


class ExistsAlready(AikeysError):
    code = "exists_already"
    exit_status = 15
    http_status = 409


class Denied(AikeysError):
    """What is asked for is outside what the caller may do."""

    code = "denied"
    exit_status = 20
    http_status = 403


class TokenRefused(AikeysError):
    code = "token_refused"
    exit_status = 21
    http_status = 401


class CannotDecide(AikeysError):
    """A price, a budget or the ledger is missing, so that no answer would be true."""

    code = "cannot_decide"
    exit_status = 23
    http_status = 422


class FindingsError(AikeysError):
    code = "findings"
    exit_status = 25


class ProviderRefused(AikeysError):
    code = "provider_refused"
    exit_status = 30
    http_status = 502


class NetworkFailed(AikeysError):
    code = "network_failed"
    exit_status = 31
    http_status = 502


class RateLimited(AikeysError):
    code = "rate_limited"
    exit_status = 32
    http_status = 429


class CannotExecute(AikeysError):
    code = "cannot_execute"
    exit_status = 126


class ProgramNotFound(AikeysError):
    code = "program_not_found"
    exit_status = 127
