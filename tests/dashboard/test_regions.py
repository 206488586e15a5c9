"""What has changed on a page: whoever knows some version is brought to the newest, whatever came between."""

from hypothesis import given
from hypothesis import strategies as st

from celeriac.dashboard.regions import MOST_ROWS, Versions, found_in

PAGE = """<html><body><p>before</p><table><tbody data-live="rows">
<tr data-k="a"><td class="n">1</td><td><time datetime="x">now</time></td></tr>
<tr data-k="b"><td>&lt;script&gt;alert(1)&lt;/script&gt; &amp; <input type="hidden" name="q"
value="&quot;"></td></tr> </tbody></table><div data-live="other"><p>one
 line</p><svg viewBox="0 0 1 1"><use href="/x#y"></use></svg></div></body></html>"""


def test_regions_are_found_with_their_rows_and_nothing_else_is():
    found = found_in(PAGE)

    assert list(found) == ["rows", "other"]
    assert list(found["rows"]) == ["a", "b"]
    assert found["rows"]["a"][2][0] == ["td", {"class": "n"}, ["1"]]
    assert list(found["other"]) == ["#0", "#1"]


def test_what_a_task_says_stays_text_and_times_are_left_to_the_browser():
    found = found_in(PAGE)

    [cell] = found["rows"]["b"][2]
    assert cell[2][0].strip() == "<script>alert(1)</script> &"
    assert cell[2][1] == ["input", {"type": "hidden", "name": "q", "value": '"'}, []]
    assert found["rows"]["a"][2][1][2] == [["time", {"datetime": "x"}, []]]


def applied(known, changes):
    """What a browser makes of it."""
    for name, change in (changes or {}).items():
        rows = {**known.get(name, {}), **change.get("rows", {})}
        order = change.get("order", list(known.get(name, {})))
        known[name] = {key: rows[key] for key in order}
    return known


ROWS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3).map(lambda n: ["tr", {}, [str(n)]]))
PAGES = st.lists(st.fixed_dictionaries({"one": ROWS, "two": ROWS}), min_size=1, max_size=8)


@given(PAGES, st.data())
def test_whoever_knows_any_version_is_brought_to_the_newest(pages, data):
    versions, seen = Versions(), []
    for page in pages:
        versions.put(page)
        seen.append((versions.version, page))
    version, known = data.draw(st.sampled_from(seen))

    browser = applied({name: dict(rows) for name, rows in known.items()}, versions.since(version))

    assert browser == pages[-1]
    assert {name: list(rows) for name, rows in browser.items()} == {
        name: list(rows) for name, rows in pages[-1].items()
    }


@given(PAGES)
def test_a_page_that_stays_the_same_is_no_news(pages):
    versions = Versions()
    for page in pages:
        versions.put(page)
    version = versions.version

    assert not versions.put(pages[-1])
    assert versions.version == version
    assert versions.since(version) == {}


def test_only_the_row_that_changed_is_told():
    versions = Versions()
    versions.put({"one": {"a": ["tr", {}, ["1"]], "b": ["tr", {}, ["1"]]}})
    versions.put({"one": {"a": ["tr", {}, ["2"]], "b": ["tr", {}, ["1"]]}})

    assert versions.since(1) == {"one": {"rows": {"a": ["tr", {}, ["2"]]}}}


def test_more_changes_than_a_frame_holds_are_told_as_a_whole():
    versions = Versions()
    versions.put({"one": {}})

    versions.put({"one": {str(at): ["tr", {}, []] for at in range(MOST_ROWS + 1)}})

    assert versions.since(1) is None
    assert len(versions.whole()["one"]["rows"]) == MOST_ROWS + 1
