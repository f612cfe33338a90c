"""
The extraction schema of a template (``schema_json``), read into groups and typed fields.

Raydocs documents only a few field types, so ``type`` is an open set: what is not known here is a text to whoever
uses the schema. References are followed as far as they lead; where a definition contains itself, the inner
occurrence is an object without known properties.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raydocs_provider.exceptions import RaydocsInputError

OBJECT = "object"
ARRAY = "array"

# Definitions that use each other multiply; no real template comes near this.
MAX_FIELDS = 5_000
# An object nested deeper than this keeps its properties unread.
MAX_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Field:
    """
    One field of a group, one property of an object, or what an array holds.

    :param name: the name in the schema and in the data; empty for the items of an array.
    :param type: the schema's word in lower case, ``string``, ``number``, ``integer``, ``boolean``, ``object``,
        ``array`` or any other; empty where the schema says nothing that can be understood.
    :param properties: of an object; empty when they are not known.
    :param items: what an array holds; None for other types.
    """

    name: str
    type: str
    properties: tuple[Field, ...] = ()
    items: Field | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """
    Fields that are extracted together.

    :param iterates: whether the group is extracted once for each item of another group's list (``iterates_on``).
    """

    name: str
    fields: tuple[Field, ...]
    iterates: bool = False


@dataclass(frozen=True, slots=True)
class ExtractionSchema:
    """What a template reads from a document."""

    groups: tuple[Group, ...]


def parse_schema(schema_json: object) -> ExtractionSchema:
    """
    Read a template's ``schema_json``.

    :param schema_json: the object as the API gives it.
    :raises RaydocsInputError: a part that is needed is missing or not an object; the message names its path.
    """
    schema = _object(schema_json, "schema_json")
    parser = _Parser(schema)
    groups = []
    for name, group in _object(schema.get("groups"), "groups").items():
        path = f"groups.{name}"
        node = _object(group, path)
        fields = _object(node.get("fields"), f"{path}.fields")
        config = node.get("config")
        iterates = isinstance(config, Mapping) and bool(config.get("iterates_on"))
        groups.append(Group(name, tuple(parser.fields(fields, f"{path}.fields", ())), iterates))
    return ExtractionSchema(tuple(groups))


class _Parser:
    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._definitions = {
            name: definition
            for key in ("definitions", "$defs")
            if isinstance(schema.get(key), Mapping)
            for name, definition in schema[key].items()
        }
        self._seen = 0

    def fields(self, nodes: Mapping[str, Any], path: str, inside: tuple[str, ...]) -> list[Field]:
        return [self.field(name, node, f"{path}.{name}", inside) for name, node in nodes.items()]

    def field(self, name: str, node: object, path: str, inside: tuple[str, ...]) -> Field:
        """:param inside: the references and levels that lead here, innermost last."""
        self._seen += 1
        if self._seen > MAX_FIELDS:
            raise RaydocsInputError(f"The template's schema has more than {MAX_FIELDS} fields, at {path}.")
        node = _object(node, path)
        reference = node.get("$ref")
        if isinstance(reference, str):
            target = reference.rpartition("/")[2]
            definition = self._definitions.get(target)
            if definition is None:
                return Field(name, _type_of(node))
            if target in inside or len(inside) >= MAX_DEPTH:
                return Field(name, OBJECT)
            return self.field(name, definition, path, (*inside, target))
        type_ = _type_of(node)
        if len(inside) >= MAX_DEPTH:
            return Field(name, OBJECT if type_ in (OBJECT, ARRAY) else type_)
        if type_ == OBJECT:
            properties = _object(node.get("properties", {}), f"{path}.properties")
            return Field(name, OBJECT, tuple(self.fields(properties, f"{path}.properties", (*inside, ""))))
        if type_ == ARRAY:
            return Field(name, ARRAY, items=self.field("", node.get("items", {}), f"{path}.items", (*inside, "")))
        return Field(name, type_)


def _type_of(node: Mapping[str, Any]) -> str:
    """The one type that is not ``null``; guessed from the other keys where it is left out."""
    named = node.get("type")
    if isinstance(named, list):
        named = next((word for word in named if isinstance(word, str) and word != "null"), None)
    if isinstance(named, str):
        return named.strip().lower()
    return OBJECT if "properties" in node else ARRAY if "items" in node else ""


def _object(node: object, path: str) -> Mapping[str, Any]:
    if isinstance(node, Mapping):
        return node
    what = "is missing" if node is None else f"is {type(node).__name__}, not an object"
    raise RaydocsInputError(f"The template's schema cannot be used: {path} {what}.")
