"""
Rows as NDJSON and as Parquet, exact in both.

They come from files of `RowFiles`: a row is a line, and its cells are JSON with tabs between them, which no JSON text
holds. So an object of NDJSON is such a line between the names of its columns, and a column of Parquet is read as one
JSON list. Memory holds a row of NDJSON, and a row group of Parquet, however many there are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from raydocs_provider.arguments import NDJSON, PARQUET
from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.landing.tables import AUDIT, Column, Kind
from raydocs_provider.landing.values import DECIMAL_PRECISION, DECIMAL_SCALE, Cell

T = TypeVar("T")

#: Between two cells of an encoded row.
SEPARATOR = "\t"

# Encoded rows of a row group of Parquet; so much of a table is in memory.
_GROUP_BYTES = 4 << 20
_BUFFER_BYTES = 1 << 20

_encode = json.JSONEncoder(ensure_ascii=False, separators=(SEPARATOR, ":")).encode


def encode_cells(cells: Sequence[Cell]) -> str:
    """
    Cells as JSON, for `RowFiles`.

    Decimals are strings. Of JSON numbers a reader may make doubles first, even for a column that it is told is a
    decimal: DuckDB 2.0.0 then reads 123456789012.34 as 123456789012.339998720.
    """
    return _encode([_plain(cell) for cell in cells])[1:-1]


def write_ndjson(source: Path, columns: Sequence[Column], target: Path) -> None:
    """
    Write rows as JSON objects, one a line, each with all columns.

    :param source: encoded rows: the cells of a table's own columns, then those that all tables have.
    :param columns: in the order of a table's ``columns``.
    """
    names = (json.dumps(column.name, ensure_ascii=False).encode().replace(b"%", b"%%") for column in columns)
    template = b"{%b}\n" % b", ".join(name + b": %b" for name in names)
    with source.open("rb") as lines, target.open("wb", buffering=_BUFFER_BYTES) as output:
        output.writelines(template % tuple(_in_order(_split(line))) for line in lines)


def write_parquet(source: Path, columns: Sequence[Column], target: Path) -> None:
    """
    Write rows as Parquet. Takes the same as `write_ndjson`.

    :raises RaydocsInputError: pyarrow is not installed.
    """
    pyarrow, parquet = require_arrow()
    types = _arrow_types(pyarrow)
    schema = pyarrow.schema([(column.name, types[column.kind]) for column in columns])
    with source.open("rb") as lines, parquet.ParquetWriter(target, schema) as writer:
        while group := lines.readlines(_GROUP_BYTES):
            cells = _in_order(list(zip(*map(_split, group), strict=True)))
            arrays = [_arrow_array(pyarrow, each, field.type) for each, field in zip(cells, schema, strict=True)]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


#: What writes each format.
WRITERS: Mapping[str, Callable[[Path, Sequence[Column], Path], None]] = {NDJSON: write_ndjson, PARQUET: write_parquet}


def require_arrow() -> tuple[Any, Any]:
    """
    The modules that write Parquet.

    :raises RaydocsInputError: they are not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise RaydocsInputError(
            "Parquet files need pyarrow: install airflow-provider-raydocs[arrow] where the tasks run, or leave "
            "'parquet' out of formats."
        ) from None
    return pyarrow, parquet


def _plain(cell: Cell) -> str | int | None:
    """The cell as JSON has it. Every time has all its digits and its zone, so that they sort as texts too."""
    if cell is None or isinstance(cell, str | int):
        return cell
    if isinstance(cell, Decimal):
        return format(cell, "f")
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    return cell.isoformat()


def _split(line: bytes) -> list[bytes]:
    return line[:-1].split(SEPARATOR.encode())


def _in_order(cells: list[T]) -> list[T]:
    """As the columns of a table are: the key, which is the first of `AUDIT`, before those of its own."""
    own = len(cells) - len(AUDIT)
    return [cells[own], *cells[:own], *cells[own + 1 :]]


def _arrow_types(pyarrow: Any) -> dict[Kind, Any]:
    return {
        Kind.TEXT: pyarrow.string(),
        Kind.DECIMAL: pyarrow.decimal128(DECIMAL_PRECISION, DECIMAL_SCALE),
        Kind.INTEGER: pyarrow.int64(),
        Kind.BOOLEAN: pyarrow.bool_(),
        Kind.DATE: pyarrow.date32(),
        Kind.TIMESTAMP: pyarrow.timestamp("us", "UTC"),
        Kind.JSON: pyarrow.string(),
    }


def _arrow_array(pyarrow: Any, cells: Sequence[bytes], type_: Any) -> Any:
    values = json.loads(b"[%b]" % b",".join(cells))
    if pyarrow.types.is_integer(type_) or pyarrow.types.is_boolean(type_):
        return pyarrow.array(values, type_)
    # A text that does not become exactly the value of the type is an error, never another value.
    return pyarrow.array(values, pyarrow.string()).cast(type_)
