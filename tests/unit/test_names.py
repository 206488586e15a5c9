import pytest

from celeriac.errors import InvalidName
from celeriac.message import check_id, check_queue_name, check_task_name

HOSTILE = {
    "newline": "a\nb",
    "last newline": "a\n",
    "carriage return": "a\rb",
    "NUL": "a\0b",
    "blank": "a b",
    "brace": "a{b}",
    "quote": 'a"b',
    "backslash": "a\\b",
    "semicolon": "a;b",
    "10 kB": "a" * 10_000,
    "empty": "",
    "surrogate": "a\ud800",
    "direction mark": "a\u202eb",
    "number": 3,
    "bytes": b"a",
    "none": None,
}


@pytest.mark.parametrize("check", [check_task_name, check_queue_name, check_id])
@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_no_store_sees_a_hostile_name(check, name):
    with pytest.raises(InvalidName) as caught:
        check(name)

    assert len(str(caught.value)) < 300  # even of a name of 10 kB
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("check", [check_queue_name, check_id])
@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "<a>"])
def test_a_queue_and_an_id_cannot_look_like_a_path_or_markup(check, name):
    with pytest.raises(InvalidName):
        check(name)


@pytest.mark.parametrize(
    "name", ["proj.tasks.add", "proj:add", "a.<locals>.b", "a.<lambda>", "größe", "タスク"]
)
def test_usual_task_names_pass(name):
    assert check_task_name(name) == name


@pytest.mark.parametrize("name", ["mail", "celery@host", "a:b", "..", "~x", "größe"])
def test_usual_queue_names_and_ids_pass(name):
    assert check_queue_name(name) == check_id(name) == name


def test_a_wrong_name_is_a_value_error_too():
    with pytest.raises(ValueError, match="letters, digits"):
        check_queue_name("a b")
