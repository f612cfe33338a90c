"""
What an emulator can be told. One dataclass serves the command line and the programmatic API.

The published pages describe three generations of the API that disagree. A generation is a set of defaults for
:class:`Behaviour`; every switch in it can also be set by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_type_hints

ABILITIES = frozenset(
    {
        "workspaces-read",
        "workspaces-write",
        "workspace-users-read",
        "workspace-users-write",
        "templates-read",
        "templates-write",
        "sessions-read",
        "sessions-write",
        "documents-read",
        "documents-write",
        "workflows-read",
        "workflow-runs-output-read",
    }
)

Generation = Literal["seed", "new", "old"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Token:
    """
    A personal access token. Each token stands for a user of its own.

    :param value: what a client sends after ``Bearer``.
    :param abilities: what it may do; default everything.
    """

    value: str = field(repr=False)
    abilities: frozenset[str] = ABILITIES

    @property
    def owner(self) -> str:
        """Names the token's user in the state file and the log without giving the token away."""
        return hashlib.sha256(self.value.encode()).hexdigest()[:12]

    @classmethod
    def parse(cls, text: str) -> Token:
        """
        Read ``TOKEN`` or ``TOKEN:ability,ability``.

        :raises ValueError: an ability that Raydocs does not have, or no token.
        """
        value, colon, listed = text.partition(":")
        if not value:
            raise ValueError("a token cannot be empty")
        if not colon:
            return cls(value)
        abilities = frozenset(name.strip() for name in listed.split(",") if name.strip())
        if unknown := sorted(abilities - ABILITIES):
            raise ValueError(f"no such ability: {', '.join(unknown)}; there are {', '.join(sorted(ABILITIES))}")
        return cls(value, abilities)


@dataclass(frozen=True, slots=True)
class Span:
    """
    How long something takes: between ``low`` and ``high`` seconds, drawn anew for each thing.

    The draw is a function of the emulator's seed and the thing's id, so that nothing has to be stored and a restarted
    emulator comes to the same answer.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high < float("inf"):
            raise ValueError(f"seconds must be 0 <= min <= max, not {self.low}-{self.high}")

    def draw(self, *key: object) -> float:
        """Seconds for the thing that ``key`` names: the same key, the same seconds."""
        return self.low + (self.high - self.low) * fraction(*key)

    @classmethod
    def parse(cls, text: str | float | Span) -> Span:
        """Read ``2``, ``0.5`` or ``1-3``."""
        if isinstance(text, Span):
            return text
        if not isinstance(text, str):
            return cls(text, text)
        low, dash, high = text.partition("-")
        return cls(float(low), float(high) if dash else float(low))


def fraction(*key: object) -> float:
    """A number in [0, 1) that depends on ``key`` alone and looks random."""
    digest = hashlib.blake2b("\x1f".join(map(str, key)).encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def _switch(default: T, meaning: str) -> T:
    return field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True, slots=True)
class Behaviour:
    """
    The switches on which the pages disagree; the defaults are the ``seed`` generation.

    What a switch means stands beside it, where ``--help`` finds it too.
    """

    runs_while_parsing: Literal["hidden", "shown", "deferred"] = _switch(
        "hidden",
        "a run whose documents are still parsed: hidden (no row, and asking for a run is refused with 422), shown (as"
        " created) or deferred (as parsing_pending)",
    )
    first_status: Literal["created", "pending"] = _switch("created", "what a run is called before it is processed")
    document_fields: Literal["workspace", "session"] = _switch(
        "workspace", "workspace: mime, sha256, parsings; session: mime_type, extraction_session_id"
    )
    document_words: Literal["seed", "new", "old"] = _switch("seed", "how the states of a document are spelt")
    # The founding pages show both: the cookbook reads `reasoning`, the reference panel has `audit_data`.
    audit: Literal["both", "reasoning", "audit_data"] = _switch(
        "both", "where a run says why: reasoning (with confidence), audit_data (with sources), or both"
    )
    provenance: bool = _switch(True, "runs carry config_hash and document_refs")
    session_status: bool = _switch(True, "sessions have a status")
    summaries: bool = _switch(False, "runs inside a session or a list come without data and audit")
    dedup: bool = _switch(False, "identical bytes in a workspace are one document (200 instead of 201)")
    vapor_real: bool = _switch(
        False, "signed URLs are answered as stock Laravel Vapor does: 201, header values as lists, Host, bucket, uuid"
    )
    run_as_job: bool = _switch(False, "starting a run answers {message, job_id} in place of the run")
    bare_lists: bool = _switch(False, "workspaces, results and chunks are bare arrays")
    error_field: bool = _switch(True, "a failed run says why under error")
    failed_run_without_parse: bool = _switch(False, "a document that cannot be parsed gets a failed run, not none")
    shuffle_batch: bool = _switch(False, "batch create answers in another order than the files were given")
    workspace_uuids: bool = _switch(False, "workspaces have UUIDs instead of numbers")
    microseconds: bool = _switch(False, "timestamps have a fraction")
    # The pages do not say so, but the cookbook asks for write abilities alone and then reads.
    write_implies_read: bool = _switch(False, "a -write ability includes its -read")


GENERATIONS: dict[Generation, Behaviour] = {
    "seed": Behaviour(),
    "new": Behaviour(
        runs_while_parsing="deferred",
        document_words="new",
        audit="audit_data",
        dedup=True,
        microseconds=True,
    ),
    "old": Behaviour(
        first_status="pending",
        document_fields="session",
        document_words="old",
        audit="reasoning",
        provenance=False,
        session_status=False,
        run_as_job=True,
        bare_lists=True,
    ),
}


@dataclass(frozen=True, slots=True)
class EmulatorOptions:
    """
    How an emulator runs. :meth:`build` is the usual way to make one.

    :param host: address to listen on, default loopback only.
    :param port: port to listen on; 0 takes a free one.
    :param tokens: who may call; the first is ``Emulator.token``.
    :param rate_limit: requests per minute and client address; 0 turns the limit off. Uploads do not count.
    :param retry_after: whether a 429 says when to come back; Raydocs does not document that it does.
    :param parse_seconds: how long a document is parsed.
    :param extract_seconds: how long a run takes once its documents are parsed.
    :param upload_expiry: seconds for which a signed upload URL is good.
    :param failure_rate: share of the documents, 0 to 1, whose extraction fails. Which ones depends on seed and content.
    :param seed: makes ids and durations the same in each run that makes the same calls; default random.
    :param state: SQLite file that survives a restart; uploads lie beside it. Default in memory and a temporary folder.
    :param admin: serve ``/__emulator__``: faults, the request log, reset.
    :param access_log: write one line per request to stderr.
    :param generation: which endpoints exist; its other effects are in ``behaviour``.
    :param behaviour: the switches.
    """

    host: str = "127.0.0.1"
    port: int = 0
    tokens: tuple[Token, ...] = (Token("rd_test_token"),)
    rate_limit: int = 100
    retry_after: bool = True
    parse_seconds: Span = Span(1, 1)
    extract_seconds: Span = Span(1, 1)
    upload_expiry: float = 300
    failure_rate: float = 0
    seed: int | None = None
    state: Path | None = None
    admin: bool = False
    access_log: bool = False
    generation: Generation = "seed"
    behaviour: Behaviour = GENERATIONS["seed"]

    def __post_init__(self) -> None:
        if not self.tokens:
            raise ValueError("an emulator needs at least one token")
        if len({token.value for token in self.tokens}) < len(self.tokens):
            raise ValueError("each token may be given once")
        if self.rate_limit < 0 or self.upload_expiry < 0 or not 0 <= self.failure_rate <= 1:
            raise ValueError("rate_limit and upload_expiry cannot be negative; failure_rate lies in 0 to 1")

    @classmethod
    def build(cls, *, generation: Generation = "seed", **settings: Any) -> EmulatorOptions:
        """
        Options from plain values: switches by name beside the rest, spans as numbers or ``min-max``, tokens as text.

        :param generation: whose defaults the switches have that are not in ``settings``.
        :param settings: fields of this class or of :class:`Behaviour`.
        :raises TypeError: a setting that does not exist.
        :raises ValueError: a value that makes no sense.
        """
        if generation not in GENERATIONS:
            raise ValueError(f"no such generation: {generation}; there are {', '.join(GENERATIONS)}")
        switches = {f.name: settings.pop(f.name) for f in fields(Behaviour) if f.name in settings}
        _check_choices(switches)
        for name in ("parse_seconds", "extract_seconds"):
            if name in settings:
                settings[name] = Span.parse(settings[name])
        if "tokens" in settings:
            settings["tokens"] = tuple(_tokens(settings["tokens"]))
        if settings.get("state") is not None:
            settings["state"] = Path(settings["state"])
        return cls(generation=generation, behaviour=replace(GENERATIONS[generation], **switches), **settings)


# The switches that take a word, and the words.
CHOICES: Mapping[str, tuple[str, ...]] = {
    name: get_args(kind) for name, kind in get_type_hints(Behaviour).items() if kind is not bool
}


def _check_choices(switches: Mapping[str, Any]) -> None:
    for name, value in switches.items():
        if name in CHOICES and value not in CHOICES[name]:
            raise ValueError(f"{name} is one of {', '.join(CHOICES[name])}, not {value!r}")


def _tokens(given: Iterable[str | Token]) -> Iterable[Token]:
    for token in given:
        yield token if isinstance(token, Token) else Token.parse(token)
