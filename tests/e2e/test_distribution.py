"""What is published: the sdist has all that a clone has, its wheel is the same, and two builds are the same bytes."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
ELSEWHERE = "https://example.org/team/raydocs"
TWINE = "twine==7.0.0"


def run(*command: str | Path, **environment: str) -> str:
    inherited = {name: value for name, value in os.environ.items() if name not in ("SOURCE_DATE_EPOCH", "REPOSITORY")}
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, env={**inherited, **environment}, check=False
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def files_of_the_tree(folder: Path) -> set[str]:
    """What git would track, in a clone as in an unpacked sdist: it is asked with an empty index of its own."""
    git = {"GIT_DIR": str(folder / "git"), "GIT_WORK_TREE": str(ROOT)}
    run("git", "init", "--quiet", **git)
    listed = run("git", "-C", ROOT, "ls-files", "--others", "--exclude-standard", "-z", **git)
    return {name for name in listed.split("\0") if name and not name.startswith(".git/")} - {".git", "PKG-INFO"}


def copy_of_the_tree(folder: Path) -> Path:
    """Also of an unpacked sdist, without the metadata that it was packed with."""
    for name in files_of_the_tree(folder):
        (folder / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / "tree" / name)
    return folder / "tree"


def build(tree: Path, folder: Path, **environment: str) -> tuple[Path, Path]:
    """The sdist of a tree, and the wheel of that sdist."""
    run(UV, "build", "--quiet", "--out-dir", folder, tree, **environment)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_the_tree(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def built(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return build(tree, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def published(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Built once there is a place where the source is."""
    return build(tree, tmp_path_factory.mktemp("published"), REPOSITORY=ELSEWHERE)


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def test_the_sdist_has_all_that_a_clone_has(built: tuple[Path, Path], tmp_path: Path) -> None:
    with tarfile.open(built[0]) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert packed - {"PKG-INFO"} == files_of_the_tree(tmp_path)


def test_the_wheel_of_the_sdist_is_the_wheel_of_the_tree(built: tuple[Path, Path], tree: Path, tmp_path: Path) -> None:
    run(UV, "build", "--quiet", "--wheel", "--out-dir", tmp_path, tree)
    (wheel,) = tmp_path.glob("*.whl")
    assert digest(wheel) == digest(built[1])


def test_two_builds_at_other_times_and_places_are_the_same_bytes(built: tuple[Path, Path], tmp_path: Path) -> None:
    elsewhere = copy_of_the_tree(tmp_path)
    for number, path in enumerate(sorted(elsewhere.rglob("*"))):
        os.utime(path, (1_000_000_000 + number, 1_000_000_000 + number))
        if path.is_file():
            path.chmod(path.stat().st_mode & 0o700)
    before = os.umask(0o077)
    try:
        again = build(elsewhere, tmp_path / "dist")
    finally:
        os.umask(before)
    assert [digest(path) for path in again] == [digest(path) for path in built]


def test_the_lowest_build_backend_makes_the_same_package(built: tuple[Path, Path], tree: Path, tmp_path: Path) -> None:
    (backend,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    lowest = tmp_path / "lowest.txt"
    lowest.write_text(backend.replace(">=", "=="))
    run(UV, "build", "--quiet", "--wheel", "--build-constraints", lowest, "--out-dir", tmp_path, tree)
    (wheel,) = tmp_path.glob("*.whl")
    ours, theirs = metadata_of(wheel), metadata_of(built[1])
    for name in ("License-Expression", "Requires-Dist", "Project-URL", "Classifier"):
        assert ours.get_all(name) == theirs.get_all(name)
    assert ours.get_payload() == theirs.get_payload()


def test_an_index_takes_the_metadata_and_renders_the_readme(
    built: tuple[Path, Path], published: tuple[Path, Path]
) -> None:
    output = run(UV, "tool", "run", "--quiet", "--from", TWINE, "twine", "check", "--strict", *built, *published)
    assert output.count("PASSED") == 4


def test_source_issues_and_changelog_are_linked_to_where_the_source_is(published: tuple[Path, Path]) -> None:
    links = dict(url.split(", ") for url in metadata_of(published[1]).get_all("Project-URL", []))
    assert links.keys() == {"Documentation", "Source", "Issues", "Changelog"}
    assert all(links[name].startswith(ELSEWHERE) for name in ("Source", "Issues", "Changelog"))


@pytest.mark.parametrize("distribution", ["built", "published"])
def test_on_an_index_the_readme_links_to_nothing_that_is_not_there(
    distribution: str, request: pytest.FixtureRequest
) -> None:
    readme = str(metadata_of(request.getfixturevalue(distribution)[1]).get_payload())
    targets = re.findall(r"\]\(([^)\s]+)\)", readme)
    assert targets
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []


def test_with_a_repository_the_readme_shows_its_pictures(published: tuple[Path, Path]) -> None:
    version = metadata_of(published[1])["Version"]
    shown = re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", (ROOT / "README.md").read_text())
    readme = str(metadata_of(published[1]).get_payload())
    assert shown
    assert all(f"]({ELSEWHERE}/raw/v{version}/{path})" in readme for path in shown)
