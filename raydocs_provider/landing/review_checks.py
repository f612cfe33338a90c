"""Checks of what a document says: what has to be there, and what has to add up."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation

from raydocs_provider.api.schema import ARRAY, OBJECT
from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.landing.names import Path
from raydocs_provider.landing.reading import exact_number
from raydocs_provider.landing.schema_fields import Route, SchemaFields

#: Makes a number of the value at a path, None of what is no number.
ReadNumber = Callable[[Path, object], Decimal | None]

_ARGUMENT = "review_checks"
_FORMS = (
    "'required(group.field)', 'sum(group.list.field) = group.field +/- 0.01', "
    "'group.field - group.field = group.field', 'missing_confidence' or 'constant_confidence'"
)
# Operators stand between blanks, so that names may hold them: `net-amount`.
_EQUALS = re.compile(r"(?<!\S)=(?!\S)")
_SIGN = re.compile(r"(?<!\S)([+-])(?!\S)")
_TOLERANCE = re.compile(r"(?<!\S)\+/-")
_CALL = re.compile(r"(required|sum)\s*\((.*)\)")
# A sum is exact or not known. No column takes a number of this many digits.
_EXACT = Context(prec=100, traps=[Inexact, InvalidOperation])


def read_number(path: Path, value: object) -> Decimal | None:
    """
    A JSON number as it is written; None for anything else. A number in a text is not guessed.

    :param path: makes no difference here.
    """
    return exact_number(value)


def parse_check(text: object) -> Required | Equation:
    """
    Read a check.

    :raises RaydocsInputError: it is none; the message says what is one.
    """
    if not isinstance(text, str):
        raise RaydocsInputError(f"{_ARGUMENT}: {text!r} is not a text. A check is {_FORMS}.")
    call = _CALL.fullmatch(text.strip())
    if call and call[1] == "required" and call[2].strip():
        return Required(call[2].strip())
    equation, *tolerances = _TOLERANCE.split(text)
    sides = [side.strip() for side in _EQUALS.split(equation)]
    if len(sides) != 2 or len(tolerances) > 1:
        raise RaydocsInputError(f"{_ARGUMENT}: {text!r} is none of {_FORMS}. Put blanks around =, + and -.")
    left, right = (tuple(_parse_terms(side, text)) for side in sides)
    return Equation(sides[1], left, right, _parse_tolerance(tolerances[0], text) if tolerances else Decimal(0))


@dataclass(frozen=True, slots=True)
class Required:
    """
    Something has to be there.

    :param field: as written.
    :param route: to it, once it is known.
    :param single_values: it, if it is a value in no list.
    """

    field: str
    route: Route = ()
    single_values: tuple[Path, ...] = ()

    @property
    def code(self) -> str:
        """What a document gets that does not pass."""
        return f"required:{self.field}"

    def resolve(self, fields: SchemaFields) -> Required:
        """
        Find the field in a template.

        :raises RaydocsInputError: it is not there.
        """
        place = fields.find(self.field, _ARGUMENT)
        single = len(place.route) == 1 and place.field.type != ARRAY and not place.field.properties
        return replace(self, route=place.route, single_values=(place.path,) if single else ())

    def find_fault(self, data: object, read: ReadNumber) -> str | None:
        """Check a document; None if it passes."""
        return self.code if any(_is_blank(value) for value in _values(data, self.route)) else None


@dataclass(frozen=True, slots=True)
class Term:
    """
    What is added up: one value, or all of a list.

    :param field: as written.
    :param listed: whether it is written with ``sum()``.
    :param route: to the values, once it is known.
    :param path: of the field, once it is known.
    """

    field: str
    listed: bool
    negative: bool
    route: Route = ()
    path: Path = ()

    def resolve(self, fields: SchemaFields) -> Term:
        """
        Find the field in a template.

        :raises RaydocsInputError: it is not there, is no number, or is in a list without ``sum()`` or the reverse.
        """
        place = fields.find(self.field, _ARGUMENT)
        route, items = place.route, place.field.items
        if items is not None and items.type not in (OBJECT, ARRAY):
            route = (*route, ())
        elif place.field.type in (OBJECT, ARRAY):
            raise RaydocsInputError(
                f"{_ARGUMENT}: {self.field!r} cannot be added up, it is a group, an object or a list. Name the number "
                "in it."
            )
        if self.listed and len(route) == 1:
            raise RaydocsInputError(f"{_ARGUMENT}: {self.field!r} is in no list. Write it without sum().")
        if not self.listed and len(route) > 1:
            raise RaydocsInputError(f"{_ARGUMENT}: {self.field!r} is in a list. Write 'sum({self.field})'.")
        return replace(self, route=route, path=place.path)


@dataclass(frozen=True, slots=True)
class Equation:
    """
    Two sums have to be the same.

    :param goal: the right side as written, which stands for the check in its code.
    :param tolerance: by how much they may differ.
    """

    goal: str
    left: tuple[Term, ...]
    right: tuple[Term, ...]
    tolerance: Decimal

    @property
    def code(self) -> str:
        """What a document gets that does not pass."""
        return f"sum:{self.goal}"

    def resolve(self, fields: SchemaFields) -> Equation:
        """
        Find all fields in a template.

        :raises RaydocsInputError: as `Term.resolve`.
        """
        left, right = (tuple(term.resolve(fields) for term in side) for side in (self.left, self.right))
        return replace(self, left=left, right=right)

    @property
    def single_values(self) -> tuple[Path, ...]:
        """What is added up and is in no list."""
        return tuple(term.path for term in (*self.left, *self.right) if not term.listed)

    def find_fault(self, data: object, read: ReadNumber) -> str | None:
        """Check a document; None if it passes. What cannot be computed has not passed: it is ``unchecked``."""
        try:
            left, right = _total(self.left, data, read), _total(self.right, data, read)
            if left is not None and right is not None:
                return self.code if _EXACT.subtract(left, right).copy_abs() > self.tolerance else None
        except DecimalException:
            pass
        return f"unchecked:{self.goal}"


def _total(terms: Iterable[Term], data: object, read: ReadNumber) -> Decimal | None:
    total = Decimal(0)
    for term in terms:
        for value in _values(data, term.route):
            number = read(term.path, value)
            if number is None:
                return None
            total = _EXACT.subtract(total, number) if term.negative else _EXACT.add(total, number)
    return total


def _values(record: object, route: Route, outermost: bool = True) -> Iterator[object]:
    """The values a route leads to; None where it ends early: at what is missing, null or of another shape."""
    value = record
    for name in route[0]:
        value = value.get(name) if isinstance(value, Mapping) else None
    if len(route) == 1:
        yield value
        return
    # A group that iterates may come as one object, and lands as one row then.
    if outermost and len(route[0]) == 1 and isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list):
        yield None
        return
    for item in value:
        yield from _values(item, route[1:], outermost=False)


def _is_blank(value: object) -> bool:
    """Whether there is nothing in it, however deep."""
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, Mapping):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        elif value is not None and not (isinstance(value, str) and not value.strip()):
            return False
    return True


def _parse_terms(side: str, text: str) -> Iterator[Term]:
    first, *others = _SIGN.split(side)
    for sign, written in [("+", first), *zip(others[::2], others[1::2], strict=True)]:
        call = _CALL.fullmatch(written.strip())
        listed = call is not None and call[1] == "sum"
        field = (call[2] if call and listed else written).strip()
        if not field:
            raise RaydocsInputError(f"{_ARGUMENT}: {text!r} lacks a field beside an operator or in sum().")
        yield Term(field, listed, negative=sign == "-")


def _parse_tolerance(written: str, text: str) -> Decimal:
    try:
        tolerance = Decimal(written.strip())
    except InvalidOperation:
        tolerance = Decimal("NaN")
    if not tolerance.is_finite() or tolerance < 0:
        raise RaydocsInputError(f"{_ARGUMENT}: {text!r} needs a number of 0 or more after '+/-', for example 0.01.")
    return tolerance
