"""What type checkers must know of tasks that are classes."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from typing import Any, assert_type

from celeriac import AsyncResult, Celeriac, Task
from celeriac.outcome import ErrorInfo

app = Celeriac("typed", broker="memory://", set_as_current=False)


class LongTask(Task):
    name = "long"
    max_retries = None
    executor = "thread"

    def run(self, n: int) -> str:
        for _ in self.track(range(n), status="on the way"):
            continue
        self.update_state(state="PROGRESS", meta={"current": n, "total": n, "status": "done"})
        self.checkpoint(n)
        raise self.retry(countdown=3)

    def on_failure(
        self,
        exc: BaseException,
        task_id: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        einfo: ErrorInfo | None,
    ) -> None:
        print(exc, task_id)


class LongAsyncTask(Task):
    async def run(self, n: int, *, name: str = "") -> str:
        await self.acheckpoint(n, current=1, total=2)
        return name


class Checked(Task[[int, str], float]):
    def run(self, n: int, text: str) -> float:
        return n * len(text)


long_task = app.register_task(LongTask)
long_async = app.register_task(LongAsyncTask())
checked = app.register_task(Checked())

assert_type(long_task, LongTask)
assert_type(long_async, LongAsyncTask)
assert_type(checked, Checked)
assert_type(long_task.run(3), str)
assert_type(long_task.delay(3), AsyncResult[Any])
assert_type(checked.delay(3, "a"), AsyncResult[float])
assert_type(checked.delay(3, "a").get(), float)


def wrong_calls() -> None:
    checked.delay("3", "a")  # type: ignore[arg-type]
    checked.delay(3)  # type: ignore[call-arg]
    app.register_task(int)  # type: ignore[type-var]
