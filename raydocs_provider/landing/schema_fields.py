"""
The groups and fields of a template by the names the author of a Dag writes.

That is as in ``t__fields``: group, dot, field, inside objects and lists with further dots. Names may hold dots
themselves, so a written name is looked up and never split.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain

from raydocs_provider.api.schema import ARRAY, OBJECT, ExtractionSchema, Field, Group
from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.landing.names import Path

#: The names that lead to a value, cut after each list: from the document to a list, from its items on.
Route = tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A group or a field, and how to get there."""

    route: Route
    field: Field

    @property
    def path(self) -> Path:
        """All names, whether lists lie between them or not."""
        return tuple(chain.from_iterable(self.route))


class SchemaFields:
    """
    Looks up groups and fields of one template.

    :param schema: of the template. A group that iterates is a list.
    """

    def __init__(self, schema: ExtractionSchema) -> None:
        self._places: dict[str, list[Place]] = {}
        for group in schema.groups:
            for place in _places(((group.name,),), _as_field(group)):
                self._places.setdefault(".".join(place.path), []).append(place)

    @property
    def written(self) -> dict[Path, str]:
        """How each group and field is written."""
        return {place.path: name for name, places in self._places.items() for place in places}

    def values(self) -> Iterator[tuple[str, Field]]:
        """The fields whose values are not all those of fields inside them, and how they are written."""
        for name, places in self._places.items():
            for place in places:
                field = place.field
                if len(place.path) > 1 and not field.properties and not (field.items and field.items.properties):
                    yield name, field

    def find(self, name: str, argument: str) -> Place:
        """
        The group or field of a name.

        :param argument: where the author wrote it.
        :raises RaydocsInputError: there is none, naming those that are near, or more than one.
        """
        places = self._places.get(name, [])
        if len(places) == 1:
            return places[0]
        if places:
            raise RaydocsInputError(
                f"{argument}: the template has {len(places)} fields that are written {name!r}, because their names "
                "hold dots. Rename one."
            )
        raise RaydocsInputError(f"{argument}: the template has no field {name!r}. {_advise(name, self._places)}")


def _advise(name: str, names: Mapping[str, object]) -> str:
    unfinished = [known for known in names if known.endswith(f".{name}")]
    near = unfinished[:3] or get_close_matches(name, names, n=3)
    if near:
        return f"Did you mean {' or '.join(map(repr, near))}?"
    return "Write group.field, and group.list.field for a field in a list."


def _as_field(group: Group) -> Field:
    if group.iterates:
        return Field(group.name, ARRAY, items=Field("", OBJECT, group.fields))
    return Field(group.name, OBJECT, group.fields)


def _places(route: Route, field: Field) -> Iterator[Place]:
    yield Place(route, field)
    for inner in field.properties:
        yield from _places((*route[:-1], (*route[-1], inner.name)), inner)
    for inner in field.items.properties if field.items else ():
        yield from _places((*route, (inner.name,)), inner)
