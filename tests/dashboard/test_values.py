"""How values are shown: exact, bounded, without tricks; and which are hidden."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import celeriac
from celeriac.dashboard import icons, shown, words
from celeriac.dashboard.english import ENGLISH
from celeriac.dashboard.facts import frames_in, progress_of
from celeriac.dashboard.hiding import Hiding
from celeriac.dashboard.site import static_files
from celeriac.redaction import HIDDEN

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=30,
)


# --- text -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain — ünï", "plain — ünï"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\u202eb", "a\\u202eb"),
        ("a\x00b", "a\\x00b"),
        ("a\nb\tc", "a\nb\tc"),
    ],
)
def test_what_cannot_be_seen_is_written_as_an_escape(text, seen):
    assert shown.visible(text) == seen


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.0004, "0.001 s"),
        (0.25, "0.25 s"),
        (61, "1 min 1 s"),
        (7200, "2 h"),
        (90_000, "1 d 1 h"),
    ],
)
def test_spans_are_written_in_two_units_at_most(seconds, text):
    assert shown.span(seconds) == text


@given(st.integers(-(2**64), 2**64))
def test_every_digit_of_a_whole_number_is_shown(number):
    assert int(shown.number(number).replace(",", "")) == number


@given(JSON)
def test_a_tree_shows_every_small_value_whole(value):
    leaf = shown.tree(value)

    if isinstance(value, list | dict):
        assert int(leaf.text) == len(value)
        assert len(leaf.members) + leaf.cut == len(value)
    if isinstance(value, int) and not isinstance(value, bool):
        assert int(leaf.text) == value


def test_a_tree_is_bounded_however_large_and_deep_the_value_is():
    deep = value = []
    for _ in range(500):
        inner = []
        value.append(inner)
        value = inner
    large = [["x"] * 1_000 for _ in range(1_000)]

    assert shown.tree("x" * 1_000_000).cut == 1_000_000 - shown.LONGEST
    assert count(shown.tree(deep)) <= shown.DEEPEST + 1
    assert count(shown.tree(large)) <= shown.NODES + shown.MOST


def count(leaf):
    return 1 + sum(map(count, leaf.members))


# --- secrets ----------------------------------------------------------------------------------------------


@given(JSON)
def test_no_secret_is_left_at_any_depth(value):
    secret = "very-secret-value"

    hidden = Hiding(["pin"]).hide({"a": [value, {"password": secret, "b": {"Pin": [secret]}}]})

    assert secret not in json.dumps(hidden)
    assert HIDDEN in json.dumps(hidden, ensure_ascii=False)
    assert hidden["a"][0] == value or "•" in json.dumps(hidden["a"][0], ensure_ascii=False)


# --- progress, errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("meta", "words_", "drawn"),
    [
        ({"current": 34, "total": 80}, "34 of 80 · 42 %", (34, 80)),
        ({"current": 82, "total": 80}, "82 of 80 · 100 %", (80, 80)),
        ({"current": -5, "total": 80}, "-5 of 80 · 0 %", (0, 80)),
        ({"current": 1234}, "1,234", (1.0, 1.0)),
        ({"current": 2**60, "total": 2**61}, f"{2**60:,} of {2**61:,} · 50 %", (2**60, 2**61)),
        ({"current": "x", "total": True, "status": "y"}, "", (0, 1)),
        ("only words", "", (0, 1)),
    ],
)
def test_a_bar_is_clamped_and_its_words_are_not(meta, words_, drawn):
    progress = progress_of(meta)

    assert progress.words == words_
    assert (progress.drawn, progress.drawn_total) == drawn


def test_frames_are_those_of_the_error_itself_and_libraries_are_known():
    text = (
        "Traceback (most recent call last):\n"
        '  File "/srv/shop/cause.py", line 1, in cause\n    x\nKeyError: 1\n\n'
        "During handling of the above exception, another exception occurred:\n\n"
        "Traceback (most recent call last):\n"
        '  File "/srv/shop/tasks.py", line 12, in pay\n    charge(card)\n'
        '  File "/venv/lib/python3.12/site-packages/bank/api.py", line 7, in charge\n    raise Refused\n'
        "bank.Refused: no\n"
    )

    frames = frames_in(text)

    assert [(frame.function, frame.library) for frame in frames] == [("pay", False), ("charge", True)]
    assert frames[0].code == "charge(card)"


@pytest.mark.parametrize("folder", ["/srv/celeriac/shop", "/home/ana/src/celeriac", r"C:\\celeriac\\shop"])
def test_code_below_a_folder_called_celeriac_is_somebodys_own(folder):
    [frame] = frames_in(
        f'Traceback (most recent call last):\n  File "{folder}/tasks.py", line 3, in pay\n    charge()\n'
    )

    assert not frame.library


def test_a_folder_beside_celeriacs_whose_name_begins_alike_is_somebodys_own():
    file = f"{celeriac.__path__[0]}_shop/tasks.py"

    [frame] = frames_in(f'Traceback (most recent call last):\n  File "{file}", line 3, in pay\n    x()\n')

    assert not frame.library


def test_celeriacs_own_code_is_a_library_wherever_it_is():
    file = f"{celeriac.__path__[0]}/task.py"

    [frame] = frames_in(f'Traceback (most recent call last):\n  File "{file}", line 3, in run\n    x()\n')

    assert frame.library


@given(st.text())
def test_no_text_breaks_the_reading_of_tracebacks(text):
    frames_in('Traceback (most recent call last):\n  File "' + text)


# --- words, files -----------------------------------------------------------------------------------------


def test_every_word_can_be_said_in_the_pseudo_language_with_the_same_values():
    for key, text in ENGLISH.items():
        names = {part.partition("}")[0] for part in text.split("{")[1:]}
        values = dict.fromkeys(names, "VALUE")

        assert words.pseudo(key, **values).count("VALUE") == text.count("{")
        assert words.english(key, **values) != ""


def test_the_files_for_the_browser_keep_to_their_budget():
    files = static_files()

    assert sum(len(body) for name, body in files.items() if name.endswith(".js")) <= 60_000
    assert sum(len(body) for name, body in files.items() if name.endswith(".css")) <= 30_000
    assert {icons.STATES[word][0] for word in icons.STATES} <= set(icons._DRAWN)


def test_no_script_makes_markup_and_no_template_switches_escaping_off():
    from celeriac.dashboard.site import HERE

    scripts = "".join(path.read_text() for path in HERE.rglob("*.js"))
    templates = "".join(path.read_text() for path in HERE.rglob("*.html"))

    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("):
        assert forbidden not in scripts
    for forbidden in (
        "|safe",
        "| safe",
        "autoescape",
        "Markup",
        "style=",
        "<style",
        "javascript:",
        " onclick",
    ):
        assert forbidden not in templates
