"""The walls: import arrows, what a fresh interpreter loads, settings that are told of, files of one idea."""

from __future__ import annotations

import ast
import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = ["service", "monitor", "agent", "console"]
MODULES = [path for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))]


def loaded_by(statement: str) -> set[str]:
    """Top-level and dotted names in ``sys.modules`` after ``statement`` in a fresh interpreter."""
    code = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.split())


def floor_of(name: str) -> str:
    return name.split(".")[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_point_downwards_even_inside_functions(path: Path) -> None:
    here = path.relative_to(ROOT).parts[0]
    allowed = FLOORS[: FLOORS.index(here) + 1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        for name in names:
            assert floor_of(name) not in FLOORS or floor_of(name) in allowed, f"{here} imports {name}"
            if here != "console":
                assert floor_of(name) not in {"textual", "rich", "typer"}, f"{here} imports {name}"
            if floor_of(name) == "anthropic":
                assert path.name == "claude.py", f"{path} imports anthropic"


def test_the_rate_limiter_stands_alone() -> None:
    loaded = loaded_by("import service.ratelimiter.app, service.ratelimiter.__main__")
    ours = {name for name in loaded if floor_of(name) in FLOORS}
    assert {name for name in ours if not name.startswith("service.ratelimiter")} <= {"service"}


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import monitor, agent, service, console", {"textual", "sqlalchemy", "pydantic", "httpx", "fastapi"}),
        ("import monitor.loop, agent.loop, agent.tools.registry", {"textual", "anthropic", "typer"}),
        ("import agent.brains.claude", {"anthropic", "textual"}),
        (
            "import console.cli, console.app, console.live",
            {"anthropic", "sqlalchemy", "alembic", "fastapi", "pydantic", "httpx", "typer", "uvicorn"},
        ),
    ],
)
def test_what_a_fresh_interpreter_loads(statement: str, forbidden: set[str]) -> None:
    assert {floor_of(name) for name in loaded_by(statement)} & forbidden == set()


def test_every_setting_is_told_of_in_the_example_and_nothing_else_is() -> None:
    from console.settings import Settings

    told = set(re.findall(r"^([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    known = {field.alias for field in Settings.model_fields.values()}
    assert told == known


def test_every_setting_in_the_example_has_its_line_of_meaning() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    for before, line in itertools.pairwise(lines):
        if re.match(r"^[A-Z][A-Z0-9_]+=", line):
            assert before.startswith("# "), line


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_one_idea_and_says_which(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400, "split it"
    assert ast.get_docstring(ast.parse(text)), "it has no docstring"


def test_the_top_level_holds_what_the_design_names() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    if not tracked:
        pytest.skip("not a git checkout")
    tops = {name.split("/")[0] for name in tracked}
    assert {name for name in tops if not name.startswith(".")} <= {*FLOORS, "tests", "pyproject.toml", "README.md"}
