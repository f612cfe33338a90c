"""``python -m raydocs_provider.emulator``: prints its URL as the first line and serves until it is told to stop."""

from __future__ import annotations

import argparse
import signal
import sqlite3
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from raydocs_provider.emulator.options import CHOICES, GENERATIONS, Behaviour, EmulatorOptions, Span, Token

T = TypeVar("T")


def _readable(read: Callable[[str], T]) -> Callable[[str], T]:
    """Has argparse show the message of a ValueError instead of only the value."""

    def convert(text: str) -> T:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m raydocs_provider.emulator",
        usage="%(prog)s [options]",
        description="A local Raydocs to test against. The first line of its output is its URL.",
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8765, help="port to listen on, 0 for a free one (default 8765)")
    parser.add_argument(
        "--token",
        dest="tokens",
        action="append",
        type=_readable(Token.parse),
        metavar="TOKEN[:ability,ability]",
        help="who may call, each a user of its own; repeatable (default rd_test_token with every ability)",
    )
    parser.add_argument(
        "--rate-limit", type=int, metavar="N", help="requests per minute and client address, 0 for none (default 100)"
    )
    parser.add_argument(
        "--no-retry-after", dest="retry_after", action="store_false", help="a 429 does not say when to come back"
    )
    for name, what in (("parse", "a document is parsed"), ("extract", "a run takes after that")):
        parser.add_argument(
            f"--{name}-seconds",
            type=_readable(Span.parse),
            metavar="N|MIN-MAX",
            help=f"how long {what} (default 1)",
        )
    parser.add_argument(
        "--upload-expiry", type=float, metavar="SECONDS", help="how long a signed upload URL is good (default 300)"
    )
    parser.add_argument(
        "--failure-rate", type=float, metavar="0..1", help="share of the documents whose extraction fails (default 0)"
    )
    parser.add_argument("--seed", type=int, help="the same calls get the same ids and durations in each run")
    parser.add_argument("--state", type=Path, metavar="FILE", help="SQLite file that survives a restart")
    parser.add_argument(
        "--admin", action="store_true", help="serve /__emulator__/faults, /__emulator__/requests, /__emulator__/reset"
    )
    parser.add_argument("--access-log", action="store_true", help="write one line per request to stderr")
    parser.add_argument(
        "--generation",
        choices=list(GENERATIONS),
        help="which of the published generations of the API to be (default seed); it sets the switches below",
    )
    switches = parser.add_argument_group("switches, where the published pages disagree")
    for switch in fields(Behaviour):
        kind: dict[str, Any] = {"action": argparse.BooleanOptionalAction}
        if switch.name in CHOICES:
            kind = {"choices": CHOICES[switch.name]}
        switches.add_argument(f"--{switch.name.replace('_', '-')}", help=switch.metadata["meaning"], **kind)
    parser.epilog = (
        "Errors that come and go, such as a gateway's HTML 502, an answer lost after the effect, a cut or slow "
        "connection, are faults: POST them to /__emulator__/faults (with --admin)."
    )
    return parser


def read_options(arguments: Sequence[str]) -> EmulatorOptions:
    """The options that a command line stands for; exits with a message if it makes no sense."""
    parser = _parser()
    settings: dict[str, Any] = vars(parser.parse_args(arguments))
    try:
        return EmulatorOptions.build(**settings)
    except ValueError as error:
        parser.error(str(error))


def _stop(*_: object) -> NoReturn:
    raise SystemExit(0)


def main() -> None:
    """Serve until SIGINT or SIGTERM, then leave nothing behind but the state file."""
    from raydocs_provider.emulator.server import Emulator

    emulator = Emulator(read_options(sys.argv[1:]))
    # uvicorn passes the signal on to these once it has shut down.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        emulator.open()
    except OSError as error:
        sys.exit(f"Cannot listen on {emulator.options.host}:{emulator.options.port}: {error.strerror}.")
    except sqlite3.Error as error:
        sys.exit(f"Cannot use {emulator.options.state} as a state file: {error}.")
    except RuntimeError as error:
        sys.exit(str(error))
    try:
        print(emulator.url, flush=True)
        emulator.serve()
    finally:
        emulator.close()


if __name__ == "__main__":
    main()
