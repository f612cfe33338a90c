"""Find or make a workspace and a template by name, without ever making the same one twice."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from raydocs_provider.api.models import Template
from raydocs_provider.api.schema import parse_schema
from raydocs_provider.exceptions import RaydocsInputError
from raydocs_provider.hooks.raydocs import RaydocsHook
from raydocs_provider.hooks.storage import open_path

log = logging.getLogger(__name__)


def load_schema(schema: Mapping[str, Any] | str) -> dict[str, Any]:
    """
    Read a schema from a dict, from JSON text, or from the file a URI names, and check that it can be used.

    :raises RaydocsInputError: saying what is wrong with it.
    """
    loaded: Any = schema
    if isinstance(schema, str):
        text = schema.strip()
        where = "the schema"
        if not text.startswith("{"):
            where = f"the schema file {text}"
            try:
                with open_path(text).open("rb") as file:
                    text = file.read().decode("utf-8")
            except (OSError, UnicodeDecodeError) as problem:
                raise RaydocsInputError(
                    f"{where} cannot be read ({type(problem).__name__}).", retryable=isinstance(problem, OSError)
                ) from problem
        try:
            loaded = json.loads(text)
        except ValueError as problem:
            raise RaydocsInputError(f"{where} is no JSON: {problem}") from problem
    if not isinstance(loaded, Mapping):
        raise RaydocsInputError("The schema has to be a JSON object with 'groups'.")
    parse_schema(loaded)
    return dict(loaded)


def ensure_workspace(hook: RaydocsHook, name: str | None, workspace_id: str | int | None) -> str:
    """
    Find the workspace to work in.

    :param name: look it up by name, and create it if there is none.
    :param workspace_id: use this one; default: the one of the connection.
    :raises RaydocsInputError: if none is given anywhere, or the name is not unique.
    """
    if not name:
        chosen = workspace_id or hook.settings.workspace_id
        if not chosen:
            raise RaydocsInputError(
                "No workspace is given. Set workspace or workspace_id on the task, or the workspace id of connection "
                f"'{hook.raydocs_conn_id}'."
            )
        return str(chosen)
    found = [workspace for workspace in hook.list_workspaces() if workspace.name == name]
    if len(found) > 1:
        ids = ", ".join(workspace.id for workspace in found)
        raise RaydocsInputError(f"{len(found)} workspaces are named '{name}' (ids {ids}). Set workspace_id instead.")
    if found:
        return found[0].id
    created = hook.create_workspace(name)
    log.info("Created workspace '%s' (%s).", name, created.id)
    return created.id


def ensure_template(
    hook: RaydocsHook,
    workspace_id: str,
    name: str,
    schema: Mapping[str, Any],
    description: str | None,
    settings: Mapping[str, Any] | None,
) -> Template:
    """
    Find the template of this name, create it, or bring it up to date.

    :param description: None leaves it as it is.
    :param settings: None leaves them as they are.
    :raises RaydocsInputError: if the name is not unique in the workspace.
    """
    found = [template for template in hook.list_templates(workspace_id) if template.name == name]
    if len(found) > 1:
        ids = ", ".join(template.id for template in found)
        raise RaydocsInputError(
            f"{len(found)} templates of workspace {workspace_id} are named '{name}' (ids {ids}). Rename or delete "
            "all but one, or pass a template id to the extraction itself."
        )
    if not found:
        created = hook.create_template(workspace_id, name, schema, description=description, settings=settings)
        log.info("Created template '%s' (%s).", name, created.id)
        return created
    current = hook.get_template(found[0].id)  # list rows may come without the schema
    wanted = {"schema_json": dict(schema), "description": description, "settings": settings}
    changes = {
        field: value for field, value in wanted.items() if value is not None and value != getattr(current, field)
    }
    if not changes:
        log.info("Template '%s' (%s) is up to date.", name, current.id)
        return current
    hook.update_template(current.id, **changes)
    log.info("Updated %s of template '%s' (%s).", ", ".join(sorted(changes)), name, current.id)
    return current
