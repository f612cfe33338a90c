"""
What a template asks for: its ``schema_json`` as fields with types and the labels they may be printed under.

The set of types is open and schemas come from users, so nothing here refuses one: an unknown type is read as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from raydocs_provider.emulator.labels import label_key
from raydocs_provider.emulator.printed import parse_boolean, parse_currency, parse_date, parse_number

_QUOTED = re.compile(r'["\u201c]([^"\u201c\u201d]{1,60})["\u201d]')
_CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

# A definition may refer to itself, and a few definitions that refer to each other can ask for any number of fields.
_DEEPEST = 4
_MOST_FIELDS = 500


@dataclass(frozen=True, slots=True)
class Field:
    """
    One value to find.

    :param type: ``string``, ``number``, ``integer``, ``boolean``, ``object`` or ``array`` as declared, or what prompt
        and name make of a string or number: ``date``, ``currency``, ``percentage``.
    :param labels: keys (see `labels.label_key`) of the labels it may be printed under, the most telling first.
    :param properties: the fields of an object.
    :param items: what an array holds.
    """

    name: str
    type: str
    labels: tuple[str, ...]
    properties: tuple[Field, ...] = ()
    items: Field | None = None

    def parse(self, text: str, *, decimal_comma: bool) -> Any:
        """The value of a scalar field as Raydocs would return it, or None if the text is no such value."""
        match self.type:
            case "string":
                return text.strip() or None
            case "date":
                found = parse_date(text)
                return found.isoformat() if found else None
            case "currency":
                return parse_currency(text)
            case "boolean":
                return parse_boolean(text)
            case "object" | "array":
                return None
        number = parse_number(text, decimal_comma=decimal_comma)
        if number is None:
            return None
        if self.type == "integer":
            return int(number) if number == number.to_integral_value() else None
        return float(number)


def read_schema(schema_json: Mapping[str, Any]) -> dict[str, tuple[Field, ...]]:
    """The fields of each group of a template, in the template's order. A group's ``iterates_on`` is not followed."""
    reader = _SchemaReader(_mapping(schema_json.get("definitions")))
    return {
        name: tuple(reader.fields(_mapping(_mapping(group).get("fields"))))
        for name, group in _mapping(schema_json.get("groups")).items()
    }


class _SchemaReader:
    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._fields_left = _MOST_FIELDS

    def fields(self, specs: Mapping[str, Any], parent: str = "", depth: int = 0) -> Iterator[Field]:
        for name, spec in specs.items():
            if self._fields_left <= 0 or depth > _DEEPEST:
                return
            self._fields_left -= 1
            yield self._field(name, self._resolved(spec), parent, depth)

    def _field(self, name: str, spec: Mapping[str, Any], parent: str, depth: int) -> Field:
        prompt = str(spec.get("extraction_prompt") or "")
        labels = _labels(name, prompt, parent)
        kind = _type(name, spec, prompt)
        if kind == "object":
            properties = tuple(self.fields(_mapping(spec.get("properties")), name, depth + 1))
            return Field(name, kind, labels, properties=properties)
        if kind == "array":
            items = next(self.fields({"": spec.get("items")}, "", depth + 1), None)
            return Field(name, kind, labels, items=items)
        return Field(name, kind, labels)

    def _resolved(self, spec: Any) -> Mapping[str, Any]:
        own = _mapping(spec)
        reference = str(own.get("$ref", ""))
        return {**_mapping(self._definitions.get(reference.rsplit("/", 1)[-1])), **own}


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _type(name: str, spec: Mapping[str, Any], prompt: str) -> str:
    declared = spec.get("type")
    if isinstance(declared, list):
        declared = next((kind for kind in declared if kind != "null"), None)
    if declared in ("object", "array", "integer", "boolean"):
        return str(declared)
    if declared == "number":
        return "percentage" if _is_percentage(name, prompt) else "number"
    if declared == "date" or "YYYY-MM-DD" in prompt.upper():
        return "date"
    return "currency" if "ISO 4217" in prompt else "string"


def _is_percentage(name: str, prompt: str) -> bool:
    words = set(label_key(_spaced(name)).split())
    is_tax_rate = "rate" in words and bool(words & {"tax", "vat"})
    return is_tax_rate or bool(words & {"percent", "percentage"}) or "in percent" in prompt.casefold()


def _labels(name: str, prompt: str, parent: str) -> tuple[str, ...]:
    """What the prompt quotes, then the name itself: a template that lists labels knows its documents better."""
    own = _spaced(name)
    candidates = [*_QUOTED.findall(prompt), own]
    if parent:
        candidates.insert(-1, f"{_spaced(parent)} {own}")
    return tuple(dict.fromkeys(key for key in map(label_key, candidates) if key))


def _spaced(name: str) -> str:
    return _CAMEL_HUMP.sub(" ", str(name)).replace("_", " ")
