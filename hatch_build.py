"""
What the metadata of sdist and wheel says of the place where the source is, and the README as an index shows it.

`repository` in pyproject.toml, or the environment variable REPOSITORY, is the address of that place. From it come the
links to source, issues and changelog, and what the README links to in the tree is linked to there, as of the version
that is built. While there is none, the README on an index names its files instead of linking to nothing.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?!\w+:|#)(?P<path>[^)\s]+)\)")


class RepositoryHook(MetadataHookInterface):
    """Fills in ``urls`` and ``readme``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """See the module's docstring."""
        repository = os.environ.get("REPOSITORY", self.config.get("repository", "")).rstrip("/")
        version = metadata["version"]
        metadata["urls"] = {"Documentation": self.config["documentation"], **urls(repository)}
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": on_index(text, repository, f"v{version}")}


def urls(repository: str) -> dict[str, str]:
    """Where source, issues and changelog are; nothing while there is no repository."""
    if not repository:
        return {}
    return {
        "Source": repository,
        "Issues": f"{repository}/issues",
        "Changelog": f"{repository}/blob/HEAD/CHANGELOG.md",
    }


def on_index(readme: str, repository: str, tag: str) -> str:
    """
    The README as it can be shown anywhere.

    :param tag: of the version that links lead to.
    """

    def replace(found: re.Match[str]) -> str:
        picture, text, path = found["picture"], found["text"], found["path"]
        if repository:
            return f"{picture}[{text}]({repository}/{'raw' if picture else 'blob'}/{tag}/{path})"
        # Code and emphasis stay; a picture without an address is what it shows, in words.
        return f"*{text}*" if picture else text

    return LINK.sub(replace, readme)
