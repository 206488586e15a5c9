"""The public types, as the two common checkers see them: what is asserted in this folder's other files.

A line that must be an error bears a `type: ignore`; one that is not needed is an error itself.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FILES = [str(file) for file in sorted(HERE.glob("*.py")) if not file.name.startswith(("test_", "__"))]


def check(tool: str, *args: str) -> str:
    """Run a type checker over the files here; return what it complains of."""
    if importlib.util.find_spec(tool) is None:
        pytest.skip(f"{tool} is not installed; the extra `dev` has it")
    done = subprocess.run(
        [sys.executable, "-m", tool, *args, *FILES], cwd=ROOT, capture_output=True, text=True, timeout=110
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_mypy_knows_arguments_and_results_of_tasks():
    assert not check("mypy", "--strict", "--no-pretty")


def test_pyright_knows_arguments_and_results_of_tasks():
    assert not check("pyright", "--pythonpath", sys.executable)
