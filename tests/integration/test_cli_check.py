"""`celeriac check --pending`: what waits is bound to the code that is here, on real stores."""

import pytest

from celeriac import Celeriac, chain, group
from celeriac.canvas.signature import xmap
from tests.integration.command_line import invoke
from tests.integration.conftest import STORES

pytest_plugins = ["tests.integration.shop"]

NEW_CODE = """
from celeriac import Celeriac
app = Celeriac("shop", broker={url!r})

@app.task(name="shop.add")
def add(x: int, y: int = 0, *, scale: float = 1.0) -> int:
    return x + y

@app.task(name="shop.mail")
def mail(to: str, subject: str) -> str:
    return to

@app.task(name="shop.total")
def total(values: list[int], label: str) -> str:
    return label

@app.task(name="shop.failed")
def failed(request, error, traceback) -> None: ...
"""


class Deploy:
    """The code about to be deployed, and an application that still sends as the old one did."""

    def __init__(self, url, folder):
        (folder / "shop_code.py").write_text(NEW_CODE.format(url=url))
        self.old = Celeriac("shop", broker=url, set_as_current=False)

        for name in ("shop.add", "shop.mail", "shop.total", "shop.gone"):
            self.old.task(name=name)(lambda *args, **kwargs: None)

    def send(self, name, *args, **more):
        kwargs = more.pop("kwargs", {})
        return self.old.send_task(name, args, kwargs, **more).id

    def check(self, *words):
        return invoke("-A", "shop_code", "check", "--pending", *words)


@pytest.fixture(params=STORES[1:])
def deploy(request, url_of, empty_project, tmp_path, integration_redis_flushed):
    deploy = Deploy(url_of(request.param), tmp_path)
    yield deploy
    deploy.old.close()


@pytest.fixture
def integration_redis_flushed(request):
    """An empty server, where one is used."""
    if "redis" in request.node.name:
        request.getfixturevalue("integration_redis").flush()


def problems(answer):
    return {(line["task"], line["code"]): line for line in answer.objects if line["kind"] == "problem"}


def test_what_fits_the_new_code_would_run(deploy):
    deploy.send("shop.add", 1)
    deploy.send("shop.add", 1, 2, kwargs={"scale": 2}, countdown=3600)
    deploy.send("shop.mail", "ann", kwargs={"subject": "hello"}, queue="mail")

    answer = deploy.check()

    assert (answer.code, answer.out) == (0, "3 tasks wait, none would fail\n")


def test_an_empty_store_has_nothing_that_would_fail(deploy):
    deploy.old.broker.open()

    assert deploy.check().out == "0 tasks wait, none would fail\n"


def test_each_problem_is_told_once_with_its_count_and_some_ids(deploy):
    ids = [deploy.send("shop.mail", "ann") for _ in range(7)]
    renamed = deploy.send("shop.addd", 1)
    extra = deploy.send("shop.add", 1, kwargs={"factor": 2})
    value = deploy.send("shop.add", "one", queue="slow")
    deploy.send("shop.add", 5)

    answer = deploy.check("--json")

    assert answer.code == 1
    found = problems(answer)
    assert found.keys() == {
        ("shop.mail", "arguments"),
        ("shop.addd", "unknown"),
        ("shop.add", "arguments"),
        ("shop.add", "value"),
    }
    assert found["shop.mail", "arguments"]["count"] == 7
    assert set(found["shop.mail", "arguments"]["ids"]) < set(ids)
    assert "'subject'" in found["shop.mail", "arguments"]["text"]
    assert "is it 'shop.add' now?" in found["shop.addd", "unknown"]["text"]
    assert found["shop.addd", "unknown"]["ids"] == [renamed]
    assert found["shop.add", "arguments"]["ids"] == [extra]
    assert (found["shop.add", "value"]["ids"], found["shop.add", "value"]["queues"]) == ([value], ["slow"])
    assert answer.objects[-1] == {"kind": "checked", "tasks": 11, "failing": 10}


def test_people_are_told_in_three_lines_a_problem(deploy):
    sent = deploy.send("shop.gone", 1)

    answer = deploy.check()

    assert answer.out.splitlines() == [
        "shop.gone: unknown name, 1 task in default",
        "  no task is called 'shop.gone'",
        f"  {sent}",
        "1 task waits, 1 would fail",
    ]


def test_what_waits_for_others_is_bound_with_the_result_that_it_will_be_given(deploy):
    sig = deploy.old.signature
    chain(sig("shop.add", (1, 2)), sig("shop.add", kwargs={"y": 3})).apply_async()
    (group(sig("shop.add", (n,)) for n in range(3)) | sig("shop.total", ("sum",))).apply_async()

    assert deploy.check().code == 0

    chain(sig("shop.add", (1,)), sig("shop.add", ("no number",))).apply_async()
    chain(sig("shop.add", (1,)), sig("shop.total")).apply_async()

    assert problems(deploy.check("--json")).keys() == {("shop.add", "value"), ("shop.total", "arguments")}


def test_what_a_map_calls_is_bound_too(deploy):
    sig = deploy.old.signature
    xmap(sig("shop.add"), [1, 2], app=deploy.old).apply_async()
    assert deploy.check().code == 0

    xmap(sig("shop.mail"), ["ann"], app=deploy.old).apply_async()
    xmap(sig("shop.gone"), [1], app=deploy.old).apply_async()

    assert problems(deploy.check("--json")).keys() == {("shop.mail", "arguments"), ("shop.gone", "unknown")}


def test_only_the_named_queues_are_looked_at(deploy):
    deploy.send("shop.gone", 1)
    deploy.send("shop.add", 1, queue="mail")

    assert deploy.check("-Q", "mail").code == 0
    assert deploy.check("-Q", "mail,default").code == 1


def test_what_schedules_that_were_added_at_run_time_will_send_is_bound(deploy):
    deploy.old.schedules.add("nightly", "0 3 * * *", "shop.gone", (1,))

    [problem] = problems(deploy.check("--json")).values()

    assert problem["ids"] == ["schedule nightly"]


def test_checking_changes_nothing_and_runs_nothing(deploy):
    sent = deploy.send("shop.gone", 1)
    before = deploy.old.broker.get([sent])

    deploy.check()

    assert deploy.old.broker.get([sent]) == before


def test_what_to_check_and_with_which_code_must_be_said(deploy):
    deploy.old.broker.open()

    without = invoke("-A", "shop_code", "check")
    bare = invoke("-b", deploy.old.broker_url, "--namespace", "shop", "check", "--pending")

    assert (without.code, bare.code) == (2, 2)
    assert "--pending, the only check so far" in without.err
    assert "name its module with -A" in bare.err


def test_code_that_cannot_be_imported_is_told_as_everywhere(deploy, tmp_path):
    (tmp_path / "broken_code.py").write_text("1 / 0")
    deploy.old.broker.open()

    assert invoke("-A", "broken_code", "check", "--pending").code == 5
