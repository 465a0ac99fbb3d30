"""YAML from anybody: bombs, recursion and foreign content are refused before anything is built from them."""

import resource

import pytest

from results.safe_yaml import MAX_BYTES, MAX_NODES, read_fields

LEVELS = "\n".join(
    [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" if n else "a0: &a0 [1]" for n in range(10)]
)
MERGES = "\n".join(
    [f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 10)}]" if n else "a0: &a0 {x: 1}" for n in range(10)]
)


def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (LEVELS, f"up to line 6 there are more than {MAX_NODES:,} values"),
        (MERGES, f"more than {MAX_NODES:,} values"),
        ("a: &a [*a]", "the alias in line 1 stands for something that holds it"),
        ("a: &a\n  b: {c: *a}", "the alias in line 2 stands for something that holds it"),
        ("a: " + "[" * 5000, "nested more than 50 deep"),
        ("a: " + "{b: " * 100, "nested more than 50 deep"),
        ("a: " + "9" * 101, "the number in line 1 has more than 100 characters"),
        ("a: 1" + ":59" * 100_000, "the number in line 1 has more than 100 characters"),
        ("a: b\n" * (MAX_BYTES // 5 + 1), "more than 1,048,576 bytes"),
        ("1: a", "its field 1 must be a name"),
        ("[a]: b", "unhashable"),
        ("? {a: b}\n: c", "unhashable"),
        ("a: !!python/object/apply:os.system [x]", "could not determine a constructor"),
        ("a: !!int ''", "does not fit its tag"),
        ("a: *b", "undefined alias"),
        ("- a", "must hold fields"),
        ("", "must hold fields"),
        ("a: \0", "control characters are not allowed"),
        (b"a: \xff", "can't decode byte 0xff"),
        ("a: b".encode("utf-16"), "can't decode byte"),
    ],
)
def test_hostile_files_are_refused(tmp_path, text, reason):
    path, before = tmp_path / "a.yaml", megabytes()
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=reason) as caught:
        read_fields(path)
    assert "\n" not in str(caught.value)
    assert megabytes() - before < 100


def test_aliases_and_a_byte_order_mark_are_read(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("\ufeffa: &a {x: 1, y: [1, 2]}\nb: *a\nc: {<<: *a, x: 3}\n", encoding="utf-8")
    a = {"x": 1, "y": [1, 2]}
    assert read_fields(path) == {"a": a, "b": a, "c": {"x": 3, "y": [1, 2]}}
