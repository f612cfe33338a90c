"""
Which columns that exist already can take what a load brings.

A column keeps the type it has, whoever made it. Databases convert what is inserted to that type, and many do so in
silence: 3.5 becomes 4 in a BIGINT, 1.005 becomes 1.01 in a NUMERIC(18,2), '007' becomes 7. So each engine lists the
types that give back what they were given, and a load that meets any other type is refused. A type that takes fewer
values than it should, and complains about the others, loses nothing and is listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from raydocs_provider.landing.tables import Kind, Table

#: Regular expressions for the whole name of a type, and the kinds such a column holds. The first that matches counts;
#: a type that none matches holds nothing.
Holdings = Mapping[str, frozenset[Kind]]

EVERYTHING = frozenset(Kind)
NUMBERS = frozenset({Kind.DECIMAL, Kind.INTEGER})
INTEGERS = frozenset({Kind.INTEGER})
BOOLEANS = frozenset({Kind.BOOLEAN})
TIMES = frozenset({Kind.TIMESTAMP})
JSON = frozenset({Kind.JSON})

# A type may list all values of an ENUM.
_SHOWN = 60


def holds(holdings: Holdings, type_: str, kind: Kind) -> bool:
    """
    Whether a column gives back every value of a kind that it does not refuse.

    :param type_: of the column, as the engine spells it.
    """
    kinds = (kinds for pattern, kinds in holdings.items() if re.fullmatch(pattern, type_, re.IGNORECASE | re.DOTALL))
    return kind in next(kinds, ())


def find_misfits(
    table: Table, existing: Mapping[str, str], holdings: Holdings, types: Mapping[Kind, str]
) -> Iterator[str]:
    """
    Say which columns of a table would change values.

    :param table: as planned.
    :param existing: the type of each column there is, by its name. What is missing is no misfit: it can be added.
    :param types: what the engine calls each kind.
    """
    for column in table.columns:
        type_ = existing.get(column.name)
        if type_ is not None and not holds(holdings, type_, column.kind):
            yield f"column {column.name} of {table} is {type_[:_SHOWN]} and should be {types[column.kind]}"
