"""Where to land and how: the arguments that a load and the check before an extraction share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from raydocs_provider.api.schema import ExtractionSchema
from raydocs_provider.arguments import EVOLVE, SCHEMA_MODES, require_choice, require_text, split_target
from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.landing.column_types import check_column_types, parse_column_types
from raydocs_provider.landing.lander import Lander
from raydocs_provider.landing.names import Path
from raydocs_provider.landing.review import Reviewer, parse_review
from raydocs_provider.landing.review_checks import ReadNumber
from raydocs_provider.landing.tables import LandingPlan, Records, plan_tables
from raydocs_provider.landing.values import Fitted, fitter_of
from raydocs_provider.landing.warehouses.base import Warehouse


@dataclass(frozen=True)
class Target:
    """
    What `RaydocsToSqlOperator` is told about its tables.

    :param conn_id: the connection of the warehouse.
    :param table: the table with one row per document.
    :param column_types: see `parse_column_types`.
    :param on_schema_change: see `contract.agree`.
    :param review_below: see `parse_review`.
    :param review_checks: see `parse_review`.
    :raises RaydocsInputError: an argument that no template makes right.
    """

    conn_id: str
    table: str
    column_types: Mapping[str, str] | None = None
    on_schema_change: str = EVOLVE
    review_below: float | Mapping[str, float] | None = None
    review_checks: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        check_column_types(self.column_types)
        require_choice(self.on_schema_change, "on_schema_change", SCHEMA_MODES)
        parse_review(self.review_below, self.review_checks)

    def lander(self, warehouse: Warehouse, schema: ExtractionSchema) -> Lander:
        """
        Make what lands the documents of a template here.

        :raises RaydocsInputError: the name of the table cannot be used, or the template has no such field.
        """
        plan, reviewer = plan_target(schema, self.table, self.column_types, self.review_below, self.review_checks)
        return Lander(warehouse, plan, self.on_schema_change, reviewer)


def plan_target(
    schema: ExtractionSchema,
    table: str,
    column_types: Mapping[str, str] | None,
    review_below: float | Mapping[str, float] | None,
    review_checks: Sequence[str],
) -> tuple[LandingPlan, Reviewer | None]:
    """
    Plan the tables of a target and the review of what lands there; None where nothing is reviewed.

    :raises RaydocsInputError: the name of the table cannot be used, or the template has no such field.
    """
    plan = plan_tables(schema, require_text(table, "table"), parse_column_types(column_types, schema))
    rules = parse_review(review_below, review_checks)
    return plan, rules.resolve(schema, _number_reader(plan)) if rules else None


def _number_reader(plan: LandingPlan) -> ReadNumber:
    """Checks add up what lands, whatever it was printed like, and however narrow an existing column is."""
    fitters = dict(_fitters(plan.records, ()))

    def read(path: Path, value: object) -> Decimal | None:
        cell, _ = fitters[path](value)
        return Decimal(cell) if isinstance(cell, int | Decimal) and not isinstance(cell, bool) else None

    return read


def _fitters(records: Records, above: Path) -> Iterator[tuple[Path, Callable[[object], Fitted]]]:
    above += records.path
    yield from ((above + (column.path or ()), fitter_of(column)) for column in records.values)
    for inner in records.lists:
        yield from _fitters(inner, above)


def read_target(value: Mapping[str, Any] | str, name: str) -> Target:
    """
    Read a target as the author of a Dag writes it: ``conn_id/table``, or the arguments of `RaydocsToSqlOperator`.

    :param name: of the argument, for messages.
    :raises RaydocsInputError: it is neither.
    """
    if isinstance(value, str):
        return Target(*split_target(value, name))
    if isinstance(value, Mapping) and {"conn_id", "table"} <= value.keys() <= _ARGUMENTS:
        return Target(**value)
    raise RaydocsInputError(
        f"{name} has to be 'conn_id/table', or a mapping of conn_id, table and, as the load has them, "
        f"{', '.join(sorted(_ARGUMENTS - {'conn_id', 'table'}))}; not {value!r}."
    )


_ARGUMENTS = frozenset(spec.name for spec in fields(Target))
