"""Only the moments that a layer overrides are called, in the order of adding."""

from celeriac.message import Message, Request
from celeriac.middleware import MOMENTS, Middleware, Moments


class Recorder(Middleware):
    def __init__(self, name: str, seen: list[str]) -> None:
        self.name, self.seen = name, seen

    def before_run(self, request: Request) -> None:
        self.seen.append(f"{self.name} before {request.id}")

    def on_success(self, request: Request, result: object) -> None:
        self.seen.append(f"{self.name} success {result}")


class Late(Recorder):
    def after_run(self, request: Request) -> None:
        self.seen.append(f"{self.name} after {request.id}")


def test_every_moment_of_the_class_has_its_list():
    moments = Moments()

    assert tuple(moments.calls) == MOMENTS
    assert {"before_publish", "before_run", "on_failure", "on_worker_ready"} <= set(MOMENTS)
    assert all(moments[name] == [] for name in MOMENTS)


def test_a_moment_that_nobody_overrides_costs_nothing():
    moments = Moments([Middleware(), Recorder("a", [])])

    assert [name for name in MOMENTS if moments[name]] == ["before_run", "on_success"]


def test_layers_are_called_in_the_order_of_adding():
    seen: list[str] = []
    moments = Moments([Recorder("first", seen)])
    moments.add(Late("second", seen))

    for call in moments["before_run"]:
        call(Request(id="7"))

    assert seen == ["first before 7", "second before 7"]


def test_an_inherited_override_counts():
    seen: list[str] = []
    moments = Moments([Late("late", seen)])

    for moment in ("before_run", "after_run"):
        for call in moments[moment]:
            call(Request(id="7"))

    assert seen == ["late before 7", "late after 7"]


def test_publishing_leaves_a_message_as_it_is_by_default():
    message = Message("id", "shop.add")

    assert Middleware().before_publish(message) is message


def test_every_other_moment_does_nothing_by_default():
    layer, request = Middleware(), Request()

    for name in MOMENTS:
        if name.startswith("on_") and ("worker" in name or "process" in name):
            assert getattr(layer, name)("worker") is None
    assert layer.after_publish(Message("id", "shop.add")) is None
    assert layer.before_run(request) is layer.after_run(request) is layer.on_revoked(request) is None
