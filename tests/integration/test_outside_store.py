"""A store that is not ours: the contract's tests say whether it does what it must, and a URL finds it."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from celeriac import Celeriac
from celeriac.brokers import connect
from celeriac.errors import ConfigurationError
from celeriac.testing.contract.kinds import kinds_of
from tests.unit.test_docs import ROOT, blocks_of

PAGE = ROOT / "docs" / "howto" / "write-a-store.md"
FORGETFUL = """
from contextlib import contextmanager
from celeriac.brokers.memory import MemoryBroker
from celeriac.testing.contract import StoreKind

class ForgetfulBroker(MemoryBroker):
    def send(self, messages, now):
        super().send(messages, now)
        return len(messages)  # it has forgotten which were new

class RightBroker(MemoryBroker):
    pass

@contextmanager
def forgetful():
    yield ForgetfulBroker

@contextmanager
def right():
    yield RightBroker

@contextmanager
def a_broker():
    yield RightBroker()

def no_context():
    return RightBroker

def kind(new):
    return StoreKind(name="other", new=new, between_processes=False, proves_deaths=False)

FORGETFUL, RIGHT, BROKER, NO_CONTEXT = map(kind, (forgetful, right, a_broker, no_context))
A_NUMBER = 7
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder with stores of somebody else: the one of the page, installed, and two in memory."""
    for block in blocks_of(PAGE.read_text("utf-8")):
        if block.title is not None:
            (tmp_path / block.title).write_text(block.text, "utf-8")
    (tmp_path / "others.py").write_text(FORGETFUL)
    about = tmp_path / "diarystore-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: diarystore\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[celeriac.stores]\ndiary = diarystore:DiaryBroker\ngone = nowhere:Broker\nfunny = diarystore:Path\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("diarystore", "others"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def checked(folder, *arguments):
    """Run the contract's tests as somebody else would, in their own folder."""
    path = f"{folder}{os.pathsep}{ROOT / 'src'}"
    environment = {**os.environ, "PYTHONPATH": path, "CELERIAC_LOCKSTEP": "10"}
    command = [sys.executable, "-m", "pytest", "-v", "--rootdir", folder, *arguments]
    ran = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    return ran.returncode, ran.stdout + ran.stderr


def the_tests_of(*verbs):
    return ["--pyargs", *(f"celeriac.testing.contract.test_{verb}" for verb in verbs)]


def test_a_store_of_somebody_else_can_be_checked(package):
    verbs = the_tests_of("get", "liveness", "lockstep")

    code, said = checked(package, *verbs, "--celeriac-store", "diarystore_testing:new_store")

    assert code == 0, said
    assert "test_a_killed_process_is_dead_at_once_until_it_is_retired[new_store] PASSED" in said
    assert "test_a_store_does_what_the_memory_store_does[new_store] PASSED" in said


def test_a_store_that_does_not_do_what_it_must_is_found_out(package):
    verbs = the_tests_of("send", "lockstep")
    some = ("-k", "the_new_from_the_known or memory_store_does and not sealed")

    code, said = checked(package, *verbs, *some, "--celeriac-store", "others:FORGETFUL")

    assert code == 1, said
    assert "test_sending_again_tells_the_new_from_the_known[other] FAILED" in said
    assert "test_a_store_does_what_the_memory_store_does[other] FAILED" in said
    assert "Send(batch=[Sent(id=" in said  # the story that shows it


def test_the_setting_of_a_project_names_its_stores(package):
    (package / "pytest.ini").write_text("[pytest]\nceleriac_stores = others:RIGHT\n")

    code, said = checked(package, *the_tests_of("get", "liveness"))

    assert code == 0, said
    assert "test_a_worker_that_was_retired_is_not_dead_but_gone[other] PASSED" in said
    assert "[memory]" not in said
    assert "test_a_living_process_is_not_dead[other]" not in said  # nothing is said to prove that


def test_without_a_store_memory_and_sqlite_are_checked():
    told = SimpleNamespace(stash=pytest.Stash(), getoption=lambda name: [], getini=lambda name: [])

    assert [kind.name for kind in kinds_of(told)] == ["memory", "sqlite"]


@pytest.mark.parametrize(
    ("store", "complaint"),
    [
        ("others", "write module:name, as in shop.testing:new_store"),
        ("nowhere:new_store", "No module named 'nowhere'. Is it installed, or is its folder on PYTHONPATH?"),
        ("others:missing", "has no attribute 'missing'"),
        ("others:A_NUMBER", "is 7; it must be a function with @contextmanager"),
        ("others:RightBroker", "it must be a function with @contextmanager"),
    ],
)
def test_a_name_that_stands_for_no_store_is_refused(package, store, complaint):
    told = SimpleNamespace(stash=pytest.Stash(), getoption=lambda name: [store])

    with pytest.raises(pytest.UsageError) as raised:
        kinds_of(told)

    assert store in str(raised.value)
    assert complaint in str(raised.value)


def test_a_name_that_stands_for_no_store_ends_the_run_before_its_first_test(package):
    code, said = checked(package, *the_tests_of("get"), "--celeriac-store", "others:missing")

    assert code == pytest.ExitCode.USAGE_ERROR
    assert said.startswith("ERROR: --celeriac-store others:missing: ")


def test_what_makes_no_stores_fails_its_tests_with_the_remedy(package):
    both = ("--celeriac-store", "others:NO_CONTEXT", "--celeriac-store", "others:BROKER")

    code, said = checked(package, *the_tests_of("get"), *both)

    assert code == pytest.ExitCode.TESTS_FAILED
    assert "is no context manager; write @contextmanager" in said
    assert "such as functools.partial(MyBroker, url)" in said


# --- its URL ---------------------------------------------------------------------------------------------


def test_a_url_finds_the_store_of_an_installed_package(package, tmp_path):
    app = Celeriac("shop", broker=f"diary:///{tmp_path}/shop.db")

    @app.task
    def add(a, b):
        return a + b

    with app.embedded():
        assert add.delay(1, 2).get(timeout=20) == 3

    assert (tmp_path / "shop.db.diary").read_text().endswith(" 1 new\n")
    app.close()


def test_a_url_that_belongs_to_nobody_names_those_that_do(package):
    with pytest.raises(ConfigurationError, match=r"sqlite://.*diary://"):
        connect("dairy:///shop.db")


@pytest.mark.parametrize(
    ("url", "complaint"),
    [("gone://", "cannot be imported: No module named 'nowhere'"), ("funny://", "is no Broker")],
)
def test_a_store_that_is_offered_and_cannot_be_used_is_named(package, url, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        connect(url)
