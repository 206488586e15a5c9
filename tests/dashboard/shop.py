"""A shop with a task of every kind, and things to be seen of each."""

from types import SimpleNamespace
from typing import Any

from celeriac import Celeriac, chain, chord, group

HOSTILE = (
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(1)</script>",
    "javascript:alert(1)",
    "{{ 7*7 }}{% raw %}",
    "\u202eevil\u2066",
    "\x1b[31mred\x1b[0m\x07",
    "a\x00b",
    "' onmouseover='alert(1)",
    "]]><svg/onload=alert(1)>",
)
BIG = 9_223_372_036_854_775_807
PASSWORD = "correct-horse-battery"


def make(app: Celeriac) -> SimpleNamespace:
    """Give *app* its tasks."""

    @app.task(name="shop.add")
    def add(a, b=0):
        return a + b

    @app.task(name="shop.echo")
    def echo(value, **more):
        return value

    @app.task(name="shop.fail")
    def fail(text):
        raise ValueError(text)

    @app.task(name="shop.miss")
    def miss(key):
        return {}[key]

    @app.task(name="shop.shaky", bind=True)
    def shaky(self, text, times):
        if self.request.retries < times:
            raise self.retry(exc=ValueError(text), countdown=0)
        return "steady"

    @app.task(name="shop.total")
    def total(numbers):
        return sum(numbers)

    return SimpleNamespace(add=add, echo=echo, fail=fail, miss=miss, shaky=shaky, total=total)


def fill(app: Celeriac, tasks: SimpleNamespace, stage: Any) -> SimpleNamespace:
    """Send and run something of everything; return the ids."""
    done = tasks.echo.delay({"big": BIG, "password": PASSWORD, "texts": list(HOSTILE)}, token=PASSWORD)
    failed = [tasks.fail.delay(text) for text in HOSTILE]
    missed = [tasks.miss.delay(f"k{at}") for at in range(3)]
    shaky = tasks.shaky.delay(HOSTILE[0], 2)
    flow = chord([tasks.add.s(at, 1) for at in range(20)], tasks.total.s()).apply_async()
    stage.run_until_idle()
    app.pause("slow")
    queued = tasks.echo.apply_async((HOSTILE[0],), queue="slow")
    later = tasks.add.apply_async((1, 2), countdown=3_600)
    waiting = chain(
        tasks.add.s(1, 2).set(countdown=3_600), group(tasks.add.s(3), tasks.add.s(4))
    ).apply_async()
    app.schedules.add("nightly <b>", "30 2 * * *", "shop.add", (1, 1), timezone="Europe/Berlin")
    return SimpleNamespace(
        done=done.id,
        failed=[each.id for each in failed],
        missed=[each.id for each in missed],
        shaky=shaky.id,
        flow=flow.id,
        queued=queued.id,
        later=later.id,
        waiting=waiting[0].id,
    )
