"""
Finds the values a template asks for in the text of a document, in place of the language model of the real service.

A value is looked for by label: what stands to the right of the label, else below it. The labels of a field are what
its ``extraction_prompt`` puts in double quotes, then its own name. The same document and template always give the same
values, with the confidence telling how far the match was from ideal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from raydocs_provider.emulator.fields import Field, read_schema
from raydocs_provider.emulator.labels import LabelIndex, Line, Mention, index_labels, similar_key
from raydocs_provider.emulator.printed import parse_currency, uses_decimal_comma
from raydocs_provider.emulator.reading import Page
from raydocs_provider.emulator.tables import Table, read_table

BESIDE_LABEL = 0.98
BELOW_LABEL = 0.9
AFTER_LEADING_LABEL = 0.85
SIMILAR_LABEL = 0.75
FROM_AMOUNTS = 0.7
NOT_FOUND = 0.3
FULL_TABLE = 0.97
TABLE_WITH_GAPS = 0.85

# A value below its label may stand a little lower, with lines of a column beside it in between.
_LINES_BELOW = 3
_LONGEST_TITLE = 120


@dataclass(frozen=True)
class Extraction:
    """
    What one run found, in the shapes of the API.

    :param data: group -> field -> value; None where the document has none.
    :param reasoning: group -> field -> ``{reasoning, confidence}``; empty unless the template enables reasoning.
    :param audit_data: group -> field -> ``{reasoning, sources: [{chunk_id, text, page}]}``; empty likewise.
    :param title: a name for the result; None unless the template has an ``extraction_title_prompt``.
    """

    data: dict[str, Any]
    reasoning: dict[str, Any]
    audit_data: dict[str, Any]
    title: str | None


@dataclass(frozen=True, slots=True)
class _Finding:
    value: Any
    confidence: float
    reasoning: str
    lines: tuple[int, ...] = ()


_NOTHING = _Finding(None, NOT_FOUND, "The document does not name a value for this field.")


def extract(pages: Sequence[Page], schema_json: Mapping[str, Any], *, chunk_id: Callable[[int], str]) -> Extraction:
    """
    Find a value for every field of a template.

    A group that iterates on another group's list is read once, as a plain group: the API does not say what its
    results look like.

    :param pages: the document as `reading.read_document` returns it.
    :param schema_json: the template's schema. Nothing in it is refused; an unknown type is read as text.
    :param chunk_id: the id of the chunk that holds a page, by page number.
    """
    groups = read_schema(schema_json)
    config = schema_json.get("config")
    config = config if isinstance(config, Mapping) else {}
    document = _Document(pages, [field for fields in groups.values() for field in fields])
    findings = {group: {field.name: document.find(field) for field in fields} for group, fields in groups.items()}
    data = {group: {name: found.value for name, found in fields.items()} for group, fields in findings.items()}
    title = _title(config.get("extraction_title_prompt"), data, document.lines)
    if config.get("reasoning_enabled") is not True:
        return Extraction(data, {}, {}, title)
    return Extraction(
        data=data,
        reasoning={
            group: {
                name: {"reasoning": found.reasoning, "confidence": found.confidence} for name, found in fields.items()
            }
            for group, fields in findings.items()
        },
        audit_data={
            group: {
                name: {"reasoning": found.reasoning, "sources": document.sources(found.lines, chunk_id)}
                for name, found in fields.items()
            }
            for group, fields in findings.items()
        },
        title=title,
    )


class _Document:
    """A document and what is known of it once the template is: its tables, and where its labels are."""

    def __init__(self, pages: Sequence[Page], fields: Sequence[Field]) -> None:
        self.lines = [
            Line(page.number, tuple(cell.strip() for cell in line.split("\t"))) for page in pages for line in page.lines
        ]
        self._decimal_comma = uses_decimal_comma(cell for line in self.lines for cell in line.cells)
        every_field = list(_with_properties(fields))
        self._tables: dict[Field, Table] = {}
        for field in every_field:
            if field.type == "array" and field.items and field.items.type == "object":
                table = read_table(self.lines, field.items.properties, decimal_comma=self._decimal_comma)
                if table:
                    self._tables[field] = table
        self._labels: LabelIndex = index_labels(
            self.lines,
            {label for field in every_field for label in field.labels},
            skip={line for table in self._tables.values() for line in table.lines},
        )

    def find(self, field: Field) -> _Finding:
        if field.type == "object":
            return self._find_object(field)
        if field in self._tables:
            return self._from_table(field, self._tables[field])
        if field.type == "array":
            return self._find_list(field)
        return next(self._candidates(field), _NOTHING)

    def sources(self, lines: Iterable[int], chunk_id: Callable[[int], str]) -> list[dict[str, Any]]:
        quoted: dict[int, list[str]] = {}
        for line in sorted(set(lines)):
            quoted.setdefault(self.lines[line].page, []).append(_quote(self.lines[line]))
        return [{"chunk_id": chunk_id(page), "text": "\n".join(texts), "page": page} for page, texts in quoted.items()]

    def _find_object(self, field: Field) -> _Finding:
        found = {part.name: self.find(part) for part in field.properties}
        present = [finding for finding in found.values() if finding.value is not None]
        if not present:
            return _NOTHING
        return _Finding(
            {name: finding.value for name, finding in found.items()},
            min(finding.confidence for finding in present),
            f"{len(present)} of {len(found)} parts were found by their labels.",
            tuple(line for finding in present for line in finding.lines),
        )

    def _from_table(self, field: Field, table: Table) -> _Finding:
        names = [part.name for part in field.items.properties] if field.items else []
        rows = [{name: row.values.get(name) for name in names} for row in table.rows]
        complete = all(row.complete for row in table.rows)
        return _Finding(
            rows,
            FULL_TABLE if complete else TABLE_WITH_GAPS,
            f"{len(rows)} rows were read from the table headed {_quote(self.lines[min(table.lines)])!r}.",
            tuple(row.line for row in table.rows),
        )

    def _find_list(self, field: Field) -> _Finding:
        if field.items is None or field.items.type in ("object", "array"):
            return _NOTHING
        text = next(self._candidates(Field(field.name, "string", field.labels)), _NOTHING)
        if text.value is None:
            return _NOTHING
        values = [
            field.items.parse(part, decimal_comma=self._decimal_comma)
            for part in text.value.replace(";", ",").split(",")
        ]
        return _Finding([value for value in values if value is not None], text.confidence, text.reasoning, text.lines)

    def _candidates(self, field: Field) -> Iterator[_Finding]:
        """What can be the field's value, the best first."""
        labels = self._labels
        exact = [mention for label in field.labels for mention in labels.exact.get(label, ())]
        leading = [mention for label in field.labels for mention in labels.leading.get(label, ())]
        similar = [mention for label in field.labels for mention in labels.similar.get(similar_key(label), ())]
        yield from self._beside(field, exact, BESIDE_LABEL, "stands beside its label")
        yield from self._below(field, exact, BELOW_LABEL, "stands below its label")
        yield from self._beside(field, leading, AFTER_LEADING_LABEL, "follows its label on the line")
        yield from self._beside(field, similar, SIMILAR_LABEL, "stands beside a similar label")
        yield from self._below(field, similar, SIMILAR_LABEL, "stands below a similar label")
        if field.type == "currency":
            yield from self._from_amounts()

    def _beside(self, field: Field, mentions: Iterable[Mention], confidence: float, where: str) -> Iterator[_Finding]:
        for mention in mentions:
            cells = self.lines[mention.line].cells
            texts = [mention.rest]
            following = next((cell for cell in range(mention.cell + 1, len(cells)) if cells[cell]), None)
            if following is not None and not self._labels.is_label(mention.line, following):
                texts.append(cells[following])
            yield from self._parsed(field, texts, confidence, where, mention.line, mention.line)

    def _below(self, field: Field, mentions: Iterable[Mention], confidence: float, where: str) -> Iterator[_Finding]:
        for mention in mentions:
            for line in range(mention.line + 1, min(mention.line + 1 + _LINES_BELOW, len(self.lines))):
                page, cells = self.lines[line]
                if mention.rest or page != self.lines[mention.line].page or not any(cells):
                    break
                text = cells[mention.cell] if mention.cell < len(cells) else ""
                if text and not self._labels.is_label(line, mention.cell):
                    yield from self._parsed(field, [text], confidence, where, mention.line, line)
                if text:
                    break

    def _parsed(
        self, field: Field, texts: Iterable[str], confidence: float, where: str, label_line: int, value_line: int
    ) -> Iterator[_Finding]:
        for text in texts:
            # "VAT 19 %  123.45" holds two numbers for two fields; the sign tells which is which.
            if field.type in ("number", "integer", "percentage") and ("%" in text) != (field.type == "percentage"):
                continue
            value = field.parse(text, decimal_comma=self._decimal_comma)
            if value is not None:
                page = self.lines[label_line].page
                yield _Finding(value, confidence, f"The value {where} on page {page}.", (label_line, value_line))

    def _from_amounts(self) -> Iterator[_Finding]:
        seen: Counter[str] = Counter()
        first: dict[str, int] = {}
        for number, line in enumerate(self.lines):
            for cell in line.cells:
                currency = parse_currency(cell) if any(map(str.isdigit, cell[:40])) else None
                if currency:
                    seen[currency] += 1
                    first.setdefault(currency, number)
        for currency, count in seen.most_common(1):
            reasoning = f"No label names it; {count} amounts carry this currency."
            yield _Finding(currency, FROM_AMOUNTS, reasoning, (first[currency],))


def _with_properties(fields: Iterable[Field]) -> Iterator[Field]:
    for field in fields:
        yield field
        yield from _with_properties(field.properties)


def _quote(line: Line) -> str:
    return " ".join(cell for cell in line.cells if cell)


def _title(prompt: object, data: Mapping[str, Mapping[str, Any]], lines: Sequence[Line]) -> str | None:
    """The values of the fields that the prompt names, in its order; without any, the document's first line."""
    if not isinstance(prompt, str) or not prompt:
        return None
    wanted = prompt.casefold()
    named = sorted(
        (wanted.find(spelling), str(value))
        for fields in data.values()
        for name, value in fields.items()
        for spelling in {name.casefold(), name.casefold().replace("_", " ")}
        if spelling and spelling in wanted and isinstance(value, str | int | float)
    )
    title = " - ".join(dict.fromkeys(value for _, value in named))
    return (title or next((_quote(line) for line in lines if any(line.cells)), ""))[:_LONGEST_TITLE] or None
