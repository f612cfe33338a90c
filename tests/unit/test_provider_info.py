"""
An invalid provider info stops every Airflow process of a deployment at import, so it is checked here against what
each supported Airflow checks, and against what exists.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from importlib.metadata import distribution, entry_points
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
from packaging.utils import canonicalize_name

from raydocs_provider.get_provider_info import CONNECTION_FIELDS, get_provider_info
from raydocs_provider.hooks.raydocs import RaydocsHook

SCHEMAS = sorted((Path(__file__).parents[1] / "data" / "provider_info_schemas").glob("*.json"))
INFO = get_provider_info()


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda path: path.stem)
def test_a_released_airflow_accepts_it(schema: Path) -> None:
    jsonschema.validate(INFO, json.loads(schema.read_text()))


def test_the_installed_airflow_accepts_it() -> None:
    jsonschema.validate(INFO, airflow_schema("provider_info.schema.json"))


def test_the_installed_airflow_finds_it_under_the_distribution_s_canonical_name() -> None:
    (entry_point,) = [
        point for point in entry_points(group="apache_airflow_provider") if point.value.startswith("raydocs_")
    ]
    assert entry_point.load()() == INFO
    assert entry_point.dist is not None
    assert INFO["package-name"] == canonicalize_name(distribution(entry_point.dist.name).metadata["name"])


def test_the_connection_form_has_the_shape_airflow_documents() -> None:
    connection_types = airflow_schema("provider.yaml.schema.json")["properties"]["connection-types"]
    jsonschema.validate(INFO["connection-types"], connection_types)


def test_every_field_of_the_connection_form_may_stay_empty() -> None:
    (connection_type,) = INFO["connection-types"]
    for name, field in connection_type["conn-fields"].items():
        assert "null" in field["schema"]["type"], f"the UI would insist on a value for {name}"
        assert field["label"], name
        assert field["description"], name


def test_every_module_it_names_exists() -> None:
    assert modules(INFO)
    for module in modules(INFO):
        importlib.import_module(module)


def test_the_hook_it_names_is_a_hook_of_that_connection_type() -> None:
    (connection_type,) = INFO["connection-types"]
    module, _, name = connection_type["hook-class-name"].rpartition(".")
    hook = getattr(importlib.import_module(module), name)
    assert hook.conn_type == connection_type["connection-type"]
    assert hook.hook_name == connection_type["hook-name"]


def modules(info: Any) -> list[str]:
    """Values of every ``python-module`` and ``python-modules`` in the info."""
    if isinstance(info, list):
        return [module for item in info for module in modules(item)]
    if not isinstance(info, dict):
        return []
    named = [*info.get("python-modules", ()), *([info["python-module"]] if "python-module" in info else ())]
    return named + [module for value in info.values() for module in modules(value)]


def airflow_schema(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((files("airflow") / name).read_text())
    return schema


def test_the_form_of_older_airflows_has_the_same_fields_and_masks_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow 3.0 and 3.1 ask the hook, with stand-ins for a web framework that they no longer have."""
    made = {name: type(name, (SimpleNamespace,), {}) for name in ("StringField", "IntegerField", "PasswordField")}

    def make(name: str) -> Callable[..., Any]:
        return lambda label, **options: made[name](label=label, **options)

    widgets = {name: lambda name=name: name for name in ("BS3TextFieldWidget", "BS3PasswordFieldWidget")}
    for module, names in {
        "flask_appbuilder": {},
        "flask_appbuilder.fieldwidgets": widgets,
        "flask_babel": {"lazy_gettext": str},
        "wtforms": {name: make(name) for name in made},
        "wtforms.validators": {"Optional": object},
    }.items():
        monkeypatch.setitem(sys.modules, module, SimpleNamespace(**names))
    form = RaydocsHook.get_connection_form_widgets()
    assert {name: (field.label, field.description, field.default) for name, field in form.items()} == {
        name: (field["label"], field["description"], field["schema"].get("default"))
        for name, field in CONNECTION_FIELDS.items()
    }
    masked = {name for name, field in CONNECTION_FIELDS.items() if field["schema"].get("format") == "password"}
    assert {name for name, field in form.items() if isinstance(field, made["PasswordField"])} == masked
    assert {name for name, field in form.items() if field.widget == "BS3PasswordFieldWidget"} == masked
    whole = {name for name, field in CONNECTION_FIELDS.items() if "integer" in field["schema"]["type"]}
    assert {name for name, field in form.items() if isinstance(field, made["IntegerField"])} == whole
