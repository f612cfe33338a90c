"""
What a load may change in a target, and what the columns that exist there take.

A column keeps the type it has, whoever made it. Databases convert what is inserted to that type, and many do so in
silence: 3.5 becomes 4 in a BIGINT, 1.005 becomes 1.01 in a NUMERIC(18,2), '007' becomes 7. So each engine lists the
types that give back what they were given. A value for a column of any other type lands only as far as it is the same
afterwards; else the column stays NULL, ``_meta`` says why, and ``t__fields`` has the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from raydocs_provider.arguments import DISCARD, FREEZE
from raydocs_provider.exceptions import RaydocsLandingError
from raydocs_provider.landing.tables import Column, Kind, LandingPlan, Records, Room, Table
from raydocs_provider.landing.texts import MAX_INTEGER
from raydocs_provider.landing.values import DECIMAL_PRECISION, DECIMAL_SCALE


@dataclass(frozen=True, slots=True)
class Holding:
    """
    Which kinds the columns of a type hold as they are.

    :param limit: the largest integer, where it is smaller than ours.
    """

    kinds: frozenset[Kind]
    limit: int | None = None


#: Regular expressions for the whole name of a type, and what its columns hold. The first that matches counts; a type
#: that none matches holds nothing. Groups called ``precision``, ``scale``, ``length`` and ``byte_length`` bound it.
Holdings = Mapping[str, Holding]

EVERYTHING = Holding(frozenset(Kind))
NUMBERS = Holding(frozenset({Kind.DECIMAL, Kind.INTEGER}))
INTEGERS = Holding(frozenset({Kind.INTEGER}))
BOOLEANS = Holding(frozenset({Kind.BOOLEAN}))
DATES = Holding(frozenset({Kind.DATE}))
TIMES = Holding(frozenset({Kind.TIMESTAMP}))
JSON = Holding(frozenset({Kind.JSON}))

#: The type of each column of each table that exists, by the names of both.
Existing = Mapping[tuple[str, ...], Mapping[str, str]]

# A type may list all values of an ENUM.
_SHOWN = 60


def integers_of(bits: int) -> Holding:
    """What a signed integer type of that size holds."""
    return Holding(INTEGERS.kinds, 2 ** (bits - 1) - 1)


@dataclass(frozen=True, slots=True)
class Agreement:
    """
    What a load does to a target.

    :param plan: the tables and columns to fill: those planned, less what is discarded, each as far as it takes values.
    :param creates: tables that are missing and will be created.
    :param adds: columns that are missing in tables that exist, and will be added.
    :param notes: what of the template does not land as it is, for people.
    :param existing: what there was.
    """

    plan: LandingPlan
    creates: tuple[Table, ...]
    adds: Mapping[Table, tuple[Column, ...]]
    notes: tuple[str, ...]
    existing: Existing


def agree(plan: LandingPlan, existing: Existing, holdings: Holdings, types: Mapping[Kind, str], mode: str) -> Agreement:
    """
    Decide what becomes of each table and column of a plan.

    :param existing: what there is; tables that are not in it are missing.
    :param types: what the engine calls each kind.
    :param mode: ``evolve`` adds what is missing; ``freeze`` refuses any difference; ``discard`` adds nothing of the
        template to a target that exists, whose new values are in ``t__fields`` alone. What is ours (the columns that
        start with ``_``, the ledger, ``t__fields``) is completed by both but ``freeze``.
    :raises RaydocsLandingError: a difference under ``freeze``; a column of ours of a type that would change its values.
    """
    broken = [misfit for table in plan.tables for misfit in _misfits_of_ours(table, existing, holdings, types)]
    if broken:
        raise RaydocsLandingError(
            f"Columns that exist would change what every load has to write: {'; '.join(broken)}. Nothing was written. "
            "Change the type of the column, or rename the column so that the load adds a new one, or land into "
            "another table.",
            retryable=False,
        )
    first = plan.records.table.name not in existing
    discards = mode == DISCARD and not first
    notes: list[str] = []
    records = _agree_records(plan.records, existing, holdings, types, discards, notes)
    agreed = replace(plan, records=records)
    creates = tuple(table for table in agreed.tables if table.name not in existing)
    adds = {
        table: missing
        for table in agreed.tables
        if table.name in existing
        and (missing := tuple(column for column in table.columns if column.name not in existing[table.name]))
    }
    if mode == FREEZE and (creates or adds or notes):
        raise RaydocsLandingError(_spell_out(creates, adds, notes, types), retryable=False)
    return Agreement(agreed, creates, adds, tuple(notes), existing)


def room_of(holdings: Holdings, type_: str, kind: Kind) -> Room | None:
    """
    What an existing column takes of a kind; None: everything.

    :param type_: of the column, as the engine spells it.
    """
    for pattern, holding in holdings.items():
        match = re.fullmatch(pattern, type_, re.IGNORECASE | re.DOTALL)
        if match:
            bounds = {name: int(text) for name, text in match.groupdict().items() if text is not None}
            # A whole number is one in a column of integers, too. Any other change of kind would rewrite the value.
            held = next((held for held in (kind, _NEAREST.get(kind)) if held in holding.kinds), None)
            room = Room(type_[:_SHOWN], held, limit=holding.limit, **bounds)
            return None if held is kind and _is_wide(room) else room
    return Room(type_[:_SHOWN], None)


def _room_of_new(holdings: Holdings, type_: str, kind: Kind) -> Room | None:
    """What a column of ours takes, where even the widest type of its kind has an end."""
    room = room_of(holdings, type_, kind)
    # An engine may show a type by another name than the one that makes it.
    return room if room is not None and room.kind is kind else None


_NEAREST = {Kind.DECIMAL: Kind.INTEGER}


def _is_wide(room: Room) -> bool:
    """Whether everything of its kind has room."""
    if room.length is not None or room.byte_length is not None or (room.limit or MAX_INTEGER) < MAX_INTEGER:
        return False
    if room.precision is None:
        return True
    scale = room.scale or 0
    if room.kind is Kind.INTEGER:
        return room.precision - scale >= len(str(MAX_INTEGER))
    return scale >= DECIMAL_SCALE and room.precision - scale >= DECIMAL_PRECISION - DECIMAL_SCALE


def _misfits_of_ours(table: Table, existing: Existing, holdings: Holdings, types: Mapping[Kind, str]) -> Iterator[str]:
    columns = existing.get(table.name, {})
    for column in table.columns:
        type_ = columns.get(column.name)
        if type_ is None or column.path is not None:
            continue
        room = room_of(holdings, type_, column.kind)
        if room is not None and room.kind is not column.kind:
            yield f"column {column.name} of {table} is {room.type} and should be {types[column.kind]}"


def _agree_records(
    records: Records,
    existing: Existing,
    holdings: Holdings,
    types: Mapping[Kind, str],
    discards: bool,
    notes: list[str],
) -> Records:
    table = records.table
    columns = existing.get(table.name)
    landed = columns is not None or not discards
    if not landed:
        notes.append(f"there is no table {table}")
    values = []
    for column in records.values:
        type_ = (columns or {}).get(column.name)
        if type_ is not None:
            room = room_of(holdings, type_, column.kind)
            if room is not None and type_.lower() != types[column.kind].lower():
                notes.append(f"column {column.name} of {table} is {room.type} and should be {types[column.kind]}")
            column = replace(column, room=room)
        elif discards:
            if landed:
                notes.append(f"there is no column {column.name} in {table}")
            column = replace(column, landed=False)
        else:
            column = replace(column, room=_room_of_new(holdings, types[column.kind], column.kind))
        values.append(column)
    agreed = {column.name: column for column in values}
    own = tuple(column for column in (agreed.get(column.name, column) for column in table.own) if column.landed)
    lists = tuple(_agree_records(inner, existing, holdings, types, discards, notes) for inner in records.lists)
    return replace(records, table=Table(table.name, own), values=tuple(values), lists=lists, landed=landed)


def _spell_out(
    creates: tuple[Table, ...], adds: Mapping[Table, tuple[Column, ...]], notes: list[str], types: Mapping[Kind, str]
) -> str:
    def listed(columns: tuple[Column, ...]) -> str:
        return ", ".join(f"{column.name} {types[column.kind]}" for column in columns)

    # The longest last.
    differences = [
        *notes,
        *(f"{table} lacks {listed(columns)}" for table, columns in adds.items()),
        *(f"there is no table {table}, with {listed(table.columns)}" for table in creates),
    ]
    return "\n".join(
        [
            "on_schema_change='freeze', and the target is not what the template lands in:",
            *(f"- {difference}" for difference in differences),
            "Nothing was written. Change the target by hand, or let one load run with 'evolve', which adds what is "
            "missing and changes no type.",
        ]
    )
