"""What an Airflow that is too old for an example Dag makes of its file: one clear sentence, and no harm to others."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = sorted((Path(__file__).parents[2] / "example_dags").glob("*.py"))
HITL = "airflow.providers.standard.operators.hitl"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_what_airflow_3_0_imports_beforehand_for_all_files_can_be_imported_there(example):
    """It imports the ``airflow.*`` modules named in statements of a file's top level; one that raises ends it."""
    named = [
        name
        for statement in ast.parse(example.read_text()).body
        for name in (
            [statement.module or ""]
            if isinstance(statement, ast.ImportFrom)
            else [alias.name for alias in statement.names]
            if isinstance(statement, ast.Import)
            else []
        )
    ]
    assert {name for name in named if name.startswith("airflow.")} <= {"airflow.sdk"}


class OperatorOfStandard112:
    def __init__(self, *, subject, options, defaults=None, **kwargs):
        pass


@pytest.mark.parametrize("of_standard", ["1.6", "1.12"])
def test_the_example_with_review_says_what_it_needs(monkeypatch, of_standard):
    module = ModuleType(HITL)
    if of_standard == "1.12":
        module.HITLOperator = OperatorOfStandard112
    monkeypatch.setitem(sys.modules, HITL, module)
    with pytest.raises(
        ImportError, match=r"needs Airflow 3\.1 or newer, and apache-airflow-providers-standard 1\.13\.1"
    ):
        load("invoices_with_review")


def test_the_example_with_alerts_says_what_it_needs(monkeypatch):
    import airflow.sdk

    monkeypatch.setattr(airflow.sdk, "AsyncCallback", None, raising=False)
    monkeypatch.delattr(airflow.sdk, "AsyncCallback")
    known = airflow.sdk.__getattr__

    def before_3_2(name):
        if name == "AsyncCallback":
            raise AttributeError(name)
        return known(name)

    monkeypatch.setattr(airflow.sdk, "__getattr__", before_3_2)
    with pytest.raises(ImportError, match=r"needs Airflow 3\.2 or newer"):
        load("invoices_with_alerts")


def load(name):
    """Run the file, as the Dag processor does."""
    (file,) = [path for path in EXAMPLES if path.stem == name]
    spec = importlib.util.spec_from_file_location(name, file)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
