"""A JSON document is read object by object, and means what it means as a whole."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.errors import BadFile
from vault.importers import document
from vault.importers.document import Document
from vault.importers.opening import Json, parse_json

PATHS = (("data", "trips"), ("trips",), ("data",), ())


def items(raw: bytes, *path: str, paths: Sequence[tuple[str, ...]] = PATHS) -> list[Json] | None:
    found = Document(raw, *paths).items(*path)
    return None if found is None else list(found)


def test_the_objects_of_a_list_are_its_items_and_the_rest_is_the_frame() -> None:
    found = Document(b'{"version":"2.0.0","trips":[{"a":1},{"a":[2]}],"ttl":0}', *PATHS)
    assert found.frame == {"version": "2.0.0", "trips": [], "ttl": 0}
    assert list(found.items("trips") or ()) == [{"a": 1}, {"a": [2]}]
    assert list(found.items("trips") or ()) == [{"a": 1}, {"a": [2]}]
    assert found.items("data", "trips") is None
    assert found.items() is None


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_brackets_and_quotes_in_texts_and_white_space_do_not_matter(mark: bytes) -> None:
    whole = [{'"]}': '\\"[{', "": "\\"}, [], [[]], {}, "]", 1.5, None, True]
    for indent in (None, 3):
        assert items(mark + json.dumps(whole, indent=indent).encode()) == whole
    assert items(mark + b" \r\n[ ] \t") == []


def test_a_list_under_a_name_that_is_written_otherwise_is_found_all_the_same() -> None:
    assert items(b'{"tr\\u0069ps":[1,2]}', "trips") == [1, 2]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["data", "trips", "a"]) | st.text(max_size=3), inner)
    ),
    max_leaves=12,
)


def whole(raw: bytes, path: Sequence[str]) -> Json:
    found = parse_json(raw)
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, list) else None


@given(values, st.sampled_from(PATHS), st.sampled_from([None, 1]))
def test_item_by_item_is_the_same_as_whole(value: object, path: Sequence[str], indent: int) -> None:
    raw = json.dumps(value, indent=indent).encode()
    assert items(raw, *path) == whole(raw, path)


def read_all(raw: bytes) -> None:
    for path in PATHS:
        items(raw, *path)


@given(st.text('[]{}",:\\ u0d1etrx', max_size=30), st.sampled_from(PATHS))
def test_what_is_no_json_as_a_whole_is_none_item_by_item(text: str, path: Sequence[str]) -> None:
    raw = text.encode()
    try:
        wanted = whole(raw, path)
    except BadFile:
        with pytest.raises(BadFile):
            read_all(raw)
        return
    assert items(raw, *path) == wanted


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"[1 2]", "wanted UTF-8 JSON"),
        (b"[1,]", "object 2: wanted UTF-8 JSON"),
        (b"[,1]", "object 1: wanted UTF-8 JSON"),
        (b"[1}", "wanted UTF-8 JSON"),
        (b"[{]}", "wanted UTF-8 JSON"),
        (b"[1] 2", "wanted UTF-8 JSON"),
        (b'["a', "it breaks off"),
        (b'[{"a":1},{"a":1,"a":2}]', "object 2: a member stands twice"),
        (b'{"trips":[1],"trips":[2]}', "twice"),
        (b'["\\ud800"]', "object 1: wanted UTF-8 JSON"),
        (b"[" * 10**6, "nested too deep"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(raw: bytes, says: str) -> None:
    with pytest.raises(BadFile) as refused:
        read_all(raw)
    assert says in str(refused.value)


def test_a_long_object_a_long_frame_and_too_many_objects_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as bounds:
        bounds.setattr(document, "MOST_PARTS", 3)
        assert items(b"[[],{}]") == [[], {}]
        with pytest.raises(BadFile, match="at most 3 objects and lists; split it"):
            items(b"[[],{},{}]")
    monkeypatch.setattr(document, "LONGEST", 40)
    monkeypatch.setattr(document, "MOST_ITEMS", 30)
    assert items(b"[" + b",".join([b'"' + b"x" * 38 + b'"'] * 30) + b"]") == ["x" * 38] * 30
    for raw, says in (
        (b'["' + b"x" * 39 + b'"]', "object 1 is longer: wanted at most"),
        (b'{"a":"' + b"x" * 39 + b'"}', "wanted at most"),
        (b"[" + b",".join([b"1"] * 31) + b"]", "at most 30 objects; split it"),
    ):
        with pytest.raises(BadFile, match=says):
            items(raw)


@pytest.mark.parametrize(("left", "right"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_an_object_is_nested_as_deep_as_is_allowed_and_no_deeper(left: bytes, right: bytes) -> None:
    def nested(depth: int) -> bytes:
        return b"[" + left * depth + b"0" + right * depth + b"]"

    most = document.DEEPEST - 1  # the list is one too
    assert len(items(nested(most)) or ()) == 1
    with pytest.raises(BadFile, match="nested too deep"):
        items(nested(most + 1))
