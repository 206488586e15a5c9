"""What type checkers must know of tasks made of functions."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from typing import Any, assert_type

from celeriac import AsyncResult, Celeriac, EagerResult, Task, current_app, current_task, shared_task
from celeriac.task import AsyncTask

app = Celeriac("typed", broker="memory://", set_as_current=False)


@app.task
def add(x: int, y: int = 0) -> int:
    return x + y


@app.task(name="named", queue="mail", max_retries=None, retry_backoff=True, executor="process")
def named(text: str, *, loud: bool = False) -> list[str]:
    return [text.upper() if loud else text]


@app.task
async def fetch(url: str) -> bytes:
    return url.encode()


@app.task(time_limit=3)
async def fetch_limited(url: str) -> dict[str, int]:
    return {url: len(url)}


@app.task(bind=True)
def bound(self: Task, n: int) -> float:
    self.progress(n, n)
    return n / 2


@app.task(bind=True, queue="slow")
async def bound_async(self: Task, n: int) -> str:
    return str(self.request.retries + n)


class Base(Task):
    default_retry_delay = 5.0


@app.task(base=Base)
def based(n: int) -> None:
    return None


@app.task(batch_size=100, batch_wait=0.5)
def batched(rows: list[str]) -> list[int]:
    return [len(row) for row in rows]


@app.task(batch_size=100)
def batched_some_fail(rows: list[str]) -> list[int | ValueError]:
    return [len(row) or ValueError("empty") for row in rows]


@app.task(batch_size=100)
async def batched_async(rows: list[bytes]) -> None:
    return None


@app.task(bind=True, batch_size=100)
def batched_bound(self: Task, rows: list[str]) -> list[float]:
    return [0.0 for _ in self.requests]


@shared_task(batch_size=10)
def batched_shared(rows: list[int]) -> None:
    return None


@shared_task
def shared(n: int) -> str:
    return str(n)


@shared_task(bind=True, queue="mail")
async def shared_bound(self: Task, n: int) -> str:
    return str(n)


# --- the kinds of task -----------------------------------------------------------------------------------

plain_task: Task[..., int] = add
async_task: AsyncTask[..., bytes] = fetch

# --- calls give results of the function's type -------------------------------------------------------------

assert_type(add(1, 2), int)
assert_type(add.delay(1, 2), AsyncResult[int])
assert_type(add.delay(1, y=2).get(), int)
assert_type(add.delay(1).get(timeout=3), int)
assert_type(add.apply_async((1, 2), {"y": 3}, countdown=3), AsyncResult[int])
assert_type(add.apply_async((1, 2)).get(), int)
assert_type(add.delay_many([(1, 2), {"x": 3}]), list[AsyncResult[int]])
assert_type(add.apply((1,)), EagerResult[int])
assert_type(add.apply((1,)).get(), int)
assert_type(named.delay("a", loud=True).get(), list[str])
assert_type(based.delay(1), AsyncResult[None])

# --- an `async def` gives what it returns, not the coroutine ------------------------------------------------

assert_type(fetch.delay("u"), AsyncResult[bytes])
assert_type(fetch.delay("u").get(), bytes)
assert_type(fetch_limited.delay("u").get(), dict[str, int])

# --- `bind=True` takes self away --------------------------------------------------------------------------

assert_type(bound.delay(3), AsyncResult[float])
assert_type(bound.delay(n=3).get(), float)
assert_type(bound_async.delay(3).get(), str)

# --- shared tasks, and what is current --------------------------------------------------------------------

assert_type(shared.delay(1).get(), str)
assert_type(shared_bound.delay(1).get(), str)
assert_type(current_app.AsyncResult("1"), AsyncResult[Any])
assert_type(current_task.request.retries, int)


async def in_a_coroutine() -> None:
    assert_type(await add.adelay(1, 2), AsyncResult[int])
    assert_type(await (await add.adelay(1, y=2)), int)
    assert_type(await add.delay(1).aget(), int)
    assert_type(await add.delay(1), int)
    assert_type(await add.aapply_async((1, 2), countdown=1), AsyncResult[int])
    assert_type(await add.adelay_many([(1,)]), list[AsyncResult[int]])
    assert_type(await (await bound.adelay(3)).aget(), float)
    assert_type(await (await bound_async.adelay(3)), str)
    assert_type(await fetch("u"), bytes)
    assert_type(await (await fetch.adelay("u")).aget(timeout=1), bytes)
    async for update in add.delay(1).aupdates():
        assert_type(update.meta, Any)
        assert_type(update.current, float)


def batches() -> None:
    assert_type(batched.delay("row"), AsyncResult[int])
    assert_type(batched.delay("row").get(), int)
    assert_type(batched_async.delay(b"row"), AsyncResult[None])
    assert_type(batched_bound.delay("row"), AsyncResult[float])
    assert_type(batched_shared.delay(1), AsyncResult[None])
    batched_some_fail.delay("row")
    batched(["row", "row"])


# --- wrong calls are errors -------------------------------------------------------------------------------


async def wrong_calls() -> None:
    add.delay("one", 2)  # type: ignore[arg-type]
    add.delay()  # type: ignore[call-arg]
    add.delay(1, 2, 3)  # type: ignore[call-arg]
    add.delay(1, z=2)  # type: ignore[call-arg]
    named.delay("a", loud="very")  # type: ignore[arg-type]
    bound.delay()  # type: ignore[call-arg]
    bound.delay(bound, 3)  # type: ignore[call-arg, arg-type]
    bound_async.delay("3")  # type: ignore[arg-type]
    fetch.delay(b"u")  # type: ignore[arg-type]
    await add.adelay("one")  # type: ignore[arg-type]
    await add.adelay(1, z=2)  # type: ignore[call-arg]
    await fetch.adelay()  # type: ignore[call-arg]
    batched.delay(1)  # type: ignore[arg-type]
    batched.delay(["row"])  # type: ignore[arg-type]
    batched_async.delay("row")  # type: ignore[arg-type]
    shared.delay("1")  # type: ignore[arg-type]
    shared_bound.delay()  # type: ignore[call-arg]
    add.apply_async((1, 2), priority="high")  # type: ignore[arg-type]
    add.apply_async((1, 2), count_down=3)  # type: ignore[call-arg]
    app.task(que="mail")  # type: ignore[call-overload]
    app.task(executor="fork")  # type: ignore[call-overload]
