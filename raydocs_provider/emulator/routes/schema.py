"""
The extraction schema of a template, as far as the API's pages define it. Keys they do not mention are kept.

Whatever is sent is stored and answered as it came; these models only refuse what cannot be meant.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Open(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class ExtractionConfig(_Open):
    """What holds for the whole template."""

    system_message: str | None = None
    reasoning_enabled: bool = False
    extraction_title_prompt: str | None = None


class Field(_Open):
    """A value that is wanted. Its types are an open set."""

    type: str = "string"
    extraction_prompt: str = ""
    items: Field = None  # type: ignore[assignment]  # it may be left out, but it may not be null
    properties: dict[str, Field] = {}


class GroupConfig(_Open):
    """How a group depends on another one."""

    iterates_on: str = ""


class FieldGroup(_Open):
    """Values that are extracted together."""

    config: GroupConfig = GroupConfig()
    search_query: str = ""
    extraction_prompt: str = ""
    fields: dict[str, Field] = {}


class ExtractionSchema(_Open):
    """What to extract."""

    groups: dict[str, FieldGroup]
    config: ExtractionConfig = ExtractionConfig()
    definitions: dict[str, object] = {}


class ParsingSettings(_Open):
    """How documents are parsed."""

    contextual_embedding: bool = False


class TemplateSettings(_Open):
    """The settings of a template."""

    parsing: ParsingSettings = ParsingSettings()
