"""The operator that gets a template ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from raydocs_provider.arguments import require_text

if TYPE_CHECKING:
    from airflow.sdk import Context


class RaydocsTemplateOperator(BaseOperator):
    """
    Make sure that a template exists in a workspace and says what the given schema says; return its id.

    Looks workspace and template up by name, creates what is missing, and updates the template when its schema,
    description or settings differ. Free, and safe to run before every extraction. Needs the abilities
    ``templates-read`` and ``templates-write``, with ``workspace`` also ``workspaces-read`` and ``workspaces-write``.
    See https://docs.raydocs.com/api-reference/templates/create-template.

    :param name: the template's name. Two templates of that name in the workspace are an error. (templated)
    :param schema: the extraction schema (``schema_json``): a dict, or the URI of a JSON file. (templated)
    :param workspace: name of the workspace, created if there is none; default: ``workspace_id``. (templated)
    :param workspace_id: id of the workspace; default: the one of the connection. (templated)
    :param description: description of the template; None leaves it as it is. (templated)
    :param settings: settings of the template, such as ``{"parsing": {...}}``; None leaves them as they are. (templated)
    :param raydocs_conn_id: the Raydocs connection. (templated)
    """

    template_fields: Sequence[str] = (
        "name",
        "schema",
        "workspace",
        "workspace_id",
        "description",
        "settings",
        "raydocs_conn_id",
    )
    template_fields_renderers = {"schema": "json", "settings": "json"}  # noqa: RUF012  (Airflow's own type)
    ui_color = "#e8e4f6"

    def __init__(
        self,
        *,
        name: str,
        schema: Mapping[str, Any] | str,
        workspace: str | None = None,
        workspace_id: str | int | None = None,
        description: str | None = None,
        settings: Mapping[str, Any] | None = None,
        raydocs_conn_id: str = "raydocs_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.schema = schema
        self.workspace = workspace
        self.workspace_id = workspace_id
        self.description = description
        self.settings = settings
        self.raydocs_conn_id = raydocs_conn_id

    def execute(self, context: Context) -> str:
        """Find or make the template and return its id."""
        from raydocs_provider.hooks.raydocs import RaydocsHook
        from raydocs_provider.hooks.templates import ensure_template, ensure_workspace, load_schema

        name = require_text(self.name, "name")
        schema = load_schema(self.schema)
        with RaydocsHook(self.raydocs_conn_id) as hook:
            workspace_id = ensure_workspace(hook, self.workspace, self.workspace_id)
            template = ensure_template(hook, workspace_id, name, schema, self.description, self.settings)
        return template.id
