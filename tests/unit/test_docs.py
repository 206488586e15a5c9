"""The documents keep their word: their code runs, their links lead somewhere, nothing public is left out.

How to mark code in `docs/howto`, `docs/reference` and `README.md`:

- ```` ```python ```` is run; the blocks of a page run one after the other in one fresh interpreter, in an
  empty folder, with `CELERIAC_BROKER_URL=memory://`. What a `print(…)  # text` prints must be that text.
- ```` ```python title="tasks.py" ```` is written to that file first, to be imported by what follows. A file
  called `test_….py` is run by pytest afterwards.
- ```` ```python needs="django" ```` is run where that package is installed; without it the page is skipped.
- ```` ```python notest ```` is only compiled: it needs something that a test does not have.
"""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from itertools import chain
from pathlib import Path

import click
import msgspec
import pytest

import celeriac
from celeriac import config, errors
from celeriac.cli.problems import Problem
from celeriac.cli.program import Program
from celeriac.cli.session import Session
from celeriac.errors import CeleriacError
from celeriac.middleware import MOMENTS
from celeriac.task import HOOKS, OPTIONS
from tools import docs

ROOT = Path(__file__).parents[2]
PAGES = sorted(chain(ROOT.glob("*.md"), (ROOT / "docs").rglob("*.md"), (ROOT / "examples").rglob("*.md")))
REFERENCE = sorted((ROOT / "docs" / "reference").glob("*.md"))
RUNNABLE = [ROOT / "README.md", *sorted((ROOT / "docs" / "howto").glob("*.md")), *REFERENCE]

FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)$")
TITLE = re.compile(r'title="([^"]+)"')
NEEDS = re.compile(r'needs="([^"]+)"')
LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
DEADLINE = 60

RUNNER = """
import builtins, linecache, sys, warnings

page = sys.argv[1]
source = open("page.py", encoding="utf-8").read()
lines = source.splitlines()

def print(*values, **options):
    builtins.print(*values, **options)
    line = lines[sys._getframe(1).f_lineno - 1]
    if line.lstrip().startswith("print(") and "  # " in line:
        wanted, said = line.rpartition("  # ")[2], " ".join(map(str, values))
        assert said == wanted, f"{page}:{sys._getframe(1).f_lineno} prints {said!r}, the page says {wanted!r}"

warnings.simplefilter("error", DeprecationWarning)
module = sys.modules["__main__"]
vars(module).update(print=print)
sys.path.insert(0, "")
exec(compile(source, page, "exec"), vars(module))
"""


class Block(msgspec.Struct, frozen=True):
    """A piece of Python in a page."""

    info: str
    first_line: int
    lines: list[str]

    @property
    def text(self) -> str:
        """The code, at the lines where it stands in its page."""
        return "\n" * (self.first_line - 1) + "\n".join(self.lines) + "\n"

    @property
    def title(self) -> str | None:
        found = TITLE.search(self.info)
        return found[1] if found else None

    @property
    def runs(self) -> bool:
        return "notest" not in self.info.split()


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of a page that are marked as Python."""
    blocks: list[Block] = []
    opened: tuple[str, str, int] | None = None
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        fence = FENCE.match(line)
        if fence is None:
            continue
        if opened is None:
            opened = fence["indent"], fence["info"].strip(), number
            continue
        indent, info, start = opened
        if info.split()[:1] == ["python"]:
            code = [line.removeprefix(indent) for line in lines[start : number - 1]]
            blocks.append(Block(info, start + 1, code))
        opened = None
    assert opened is None, f"the block that begins in line {opened[2]} has no end"
    return blocks


def one_script(blocks: list[Block]) -> str:
    """Return the code of *blocks*, each at the lines where it stands in its page."""
    script: list[str] = []
    for block in blocks:
        script += [""] * (block.first_line - 1 - len(script)) + block.lines
    return "\n".join(script) + "\n"


def called(page: Path) -> str:
    return str(page.relative_to(ROOT))


def words_of(pages: list[Path]) -> set[str]:
    """Return the names that stand as code in *pages*, in a line or in a block."""
    text = "\n".join(page.read_text("utf-8") for page in pages)
    return set(re.findall(r"\w+", " ".join(re.findall(r"`[^`]+`|```.*?```", text, re.DOTALL))))


# --- the code --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", RUNNABLE, ids=called)
def test_the_code_of_a_page_runs_and_prints_what_the_page_says(page, tmp_path):
    blocks = blocks_of(page.read_text("utf-8"))
    needed = {name for block in blocks for name in NEEDS.findall(block.info)}
    missing = sorted(name for name in needed if importlib.util.find_spec(name) is None)
    for block in blocks:
        compile(block.text, called(page), "exec")
    if missing:
        pytest.skip(f"{called(page)} needs {', '.join(missing)}")
    for block in blocks:
        if block.runs and block.title is not None:
            file = tmp_path / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, "utf-8")
    (tmp_path / "page.py").write_text(one_script([b for b in blocks if b.runs and not b.title]), "utf-8")

    ran = run(tmp_path, page)

    assert ran.returncode == 0, f"{called(page)}:\n{ran.stdout}\n{ran.stderr}"
    for block in blocks:
        if block.title is not None and block.title.startswith("test_"):
            tested = run_pytest(tmp_path, block.title)
            assert tested.returncode == 0, f"{called(page)}:\n{tested.stdout}\n{tested.stderr}"


def run(folder: Path, page: Path) -> subprocess.CompletedProcess[str]:
    return run_python(folder, "-c", RUNNER, called(page))


def run_pytest(folder: Path, file: str) -> subprocess.CompletedProcess[str]:
    return run_python(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=.", file)


def run_python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CELERIAC_")}
    environment |= {"CELERIAC_BROKER_URL": "memory://", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=DEADLINE, check=False
    )


@pytest.mark.parametrize(
    ("code", "complaint"),
    [("print(1 + 1)  # 3", "prints '2'"), ("undefined", "NameError"), ("def (:", "SyntaxError")],
)
def test_a_page_with_wrong_code_is_found_out(code, complaint, tmp_path):
    text = f"# A page\n\n```python\n{code}\n```\n"
    (tmp_path / "page.py").write_text(one_script(blocks_of(text)), "utf-8")

    ran = run(tmp_path, ROOT / "a-page.md")

    assert ran.returncode != 0
    assert complaint in ran.stderr
    assert re.search(r'a-page\.md(", line |:)4\b', ran.stderr)


# --- the commands ----------------------------------------------------------------------------------------


def commands_of(page: Path) -> list[str]:
    """Return what follows `celeriac` in the command lines of *page*, those in a block and those in a line."""
    text = page.read_text("utf-8")
    shell = "\n".join(
        re.findall(r"^```(?:console|sh|ini|dockerfile)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    )
    in_blocks = re.findall(r"^(?:\$ |ExecStart=/\S+/)?celeriac ([^#|>\n]+)", shell, re.MULTILINE)
    in_lines = re.findall(r"`celeriac (-[^`]+)`", text)
    return [" ".join(command.split()) for command in (*in_blocks, *in_lines)]


@pytest.mark.parametrize("page", PAGES, ids=called)
def test_every_command_line_of_a_page_can_be_read_by_the_program(page):
    wrong = {command: problem for command in commands_of(page) if (problem := problem_with(command))}

    assert wrong == {}


def problem_with(command: str) -> str | None:
    """Say what the program does not understand in *command*; it is read, not done."""
    program = Program("celeriac")
    try:
        with click.Context(program, info_name="celeriac", obj=Session()) as context:
            name, rest = first_word(shlex.split(command))
            found = program.get_command(context, name)
            if found is None:
                return None if name in ("-V", "--version", "--help") else f"there is no command {name!r}"
            found.make_context(name, rest, parent=context)
    except click.exceptions.Exit:
        return None
    except (click.ClickException, CeleriacError, Problem) as error:
        return str(error)
    return None


def first_word(words: list[str]) -> tuple[str, list[str]]:
    """Skip the global options before the command's name; all of them take a value, but for flags."""
    while words and words[0] in ("-A", "--app", "-b", "--broker", "--namespace"):
        words = words[2:]
    while words and words[0] in ("--json", "-q", "--no-color"):
        words = words[1:]
    return (words[0], words[1:]) if words else ("", [])


# --- the links -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=called)
def test_every_relative_link_of_a_page_leads_somewhere(page):
    prose = re.sub(r"^( *)```.*?^\1```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    links = [link for link in LINK.findall(prose) if not re.match(r"[a-z]+:", link)]

    broken = [link for link in links if not leads_somewhere(page, link)]

    assert broken == []


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return False
    return not anchor or anchor in anchors_of(target)


def anchors_of(page: Path) -> set[str]:
    """Return the anchors that a Markdown builder gives the headings of *page*."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in HEADING.findall(text)
    }


# --- nothing is left out ---------------------------------------------------------------------------------


def test_the_generated_parts_of_the_reference_are_up_to_date():
    old = [
        called(page)
        for page in REFERENCE
        if docs.rendered(page.read_text("utf-8")) != page.read_text("utf-8")
    ]

    assert old == [], "write them anew with: python -m tools.docs"


def test_every_setting_is_in_the_reference():
    assert set(config.DEFAULTS) - words_of([ROOT / "docs/reference/configuration.md"]) == set()


def test_every_option_and_hook_of_a_task_is_in_the_reference():
    assert {*OPTIONS, *HOOKS} - words_of([ROOT / "docs/reference/tasks.md"]) == set()


def test_every_error_is_in_the_reference():
    raised = {
        name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)
    }

    assert raised - words_of([ROOT / "docs/reference/errors.md"]) == set()


def test_every_moment_is_in_the_reference():
    assert set(MOMENTS) - words_of([ROOT / "docs/reference/middleware.md"]) == set()


@pytest.mark.parametrize("name", celeriac.__all__)
def test_every_public_name_is_in_the_reference(name):
    assert name in words_of(REFERENCE)


@pytest.mark.parametrize("kind", [celeriac.Celeriac, celeriac.Task, celeriac.AsyncResult, celeriac.Update])
def test_every_public_method_of_the_main_types_is_in_the_reference(kind):
    public = {name for name in vars(kind) if not name.startswith("_")} | set(
        getattr(kind, "__annotations__", ())
    )
    inside = {
        "publish",
        "publish_unique",
        "apublish",
        "prepared",
        "submitter",
        "hub",
        "run_eagerly",
        "result_type",
        "store_options",
        "moments",
    }
    inside |= {
        "arguments",
        "aware",
        "parameters_of",
        "check_wait",
        "clock",
        "cut_off",
        "foreign_envelope",
        "lent",
    }
    inside |= {"task_modules", "tickets"}

    assert {name for name in public if not name.startswith("_")} - inside - words_of(REFERENCE) == set()


def test_every_page_can_be_reached_from_the_index():
    reached: set[Path] = set()
    waiting = [ROOT / "docs" / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        links = LINK.findall(page.read_text("utf-8"))
        waiting += [(page.parent / link.partition("#")[0]).resolve() for link in links if ":" not in link]

    assert {called(page) for page in (ROOT / "docs").rglob("*.md") if page not in reached} == set()
