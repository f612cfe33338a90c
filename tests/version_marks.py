"""What ``@pytest.mark.airflow`` means: tests of what only some versions of Airflow have say which, and why."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from packaging.version import Version

AIRFLOW = Version(version("apache-airflow-core"))


def needs_package(name: str, since: str, *, because: str) -> pytest.MarkDecorator:
    """A mark of tests that need a newer package than the pins of some release of Airflow hold."""
    installed = version(name)
    reason = f"needs {name} {since}, because {because}; this is {installed}"
    return pytest.mark.skipif(Version(installed) < Version(since), reason=reason)


def why_not_here(mark: pytest.Mark, installed: Version = AIRFLOW) -> str | None:
    """
    Why a test does not run on this Airflow; None where it does.

    :param mark: ``airflow("3.3", because="it has a task state store")`` for 3.3 and newer, betas included;
        ``airflow(before="3.2", because="it has no page")`` for those before.
    :raises pytest.UsageError: the mark names no version, or no reason.
    """
    since = mark.args[0] if mark.args else None
    before, because = mark.kwargs.get("before"), mark.kwargs.get("because")
    known = len(mark.args) <= 1 and mark.kwargs.keys() <= {"before", "because"}
    if not known or (since is None) == (before is None) or not (isinstance(because, str) and because.strip()):
        raise pytest.UsageError('say airflow("3.3", because="...") or airflow(before="3.3", because="...")')
    release = Version(installed.base_version)
    if since is not None and release < Version(since):
        return f"for Airflow {since} and newer, because {because}; this is {installed}"
    if before is not None and release >= Version(before):
        return f"for Airflow before {before}, because {because}; this is {installed}"
    return None
