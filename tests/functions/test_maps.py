"""Functions on maps: misuse, and what they do in the kernel."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functions.scripts import complaints, values
from tests.language.running import Loaded, compile_text

ERRORS = {
    "clear(1)": "clear() expects a map argument",
    "@x[1] = 1; clear(@x[1])": "clear() expects a map argument",
    "@x[1] = 1; zero(@x[1])": "zero() expects a map argument",
    "@x = 1; zero(@x, 1)": "zero() requires one argument (2 provided)",
    "clear(@nope)": "Undefined map: @nope",
    "@x = 1; print(has_key(@x, 1))": "call to has_key() expects a map with explicit keys "
    "(non-scalar map)",
    '@x[1] = 1; print(has_key(@x, "a"))': "Argument mismatch for @x: trying to access with "
    "arguments: 'string[2]' when map expects arguments: 'int8'",
    "@x = 1; print(len(@x))": "call to len() expects a map with explicit keys (non-scalar map)",
    "print(len(5))": "call to len() expects a map, ustack, or kstack",
    "@x = 1; delete(@x, 1)": "call to delete() with two arguments expects a map with explicit "
    "keys (non-scalar map)",
    "@x[1] = 1; delete(@x)": "call to delete() with a single argument expects a map without "
    "explicit keys (scalar map)",
    "delete(5)": "delete() expects a map argument",
    "@x[1] = 1; delete(@x[1], 2)": "Mismatched arg. delete() expects a map for arg @map but got "
    "an expression.",
    '@x[1] = 1; delete(@x, "a")': "Argument mismatch for @x: trying to access with arguments: "
    "'string[2]' when map expects arguments: 'int8'",
    "@x[1] = count(); print(key_id(@x, 1))": "Type mismatch for @x: trying to assign value of type "
    "'uint64' when map already has a type 'count_t'",
    "@x = 1; print(key_id(@x, 1))": "call to key_id() expects a map with explicit keys "
    "(non-scalar map)",
    "print(key_id(1, 1))": "Mismatched arg. key_id() expects a map for arg @map but got an "
    "expression.",
    "@x[1] = 1; print(find(@x, 1, 5))": "find() expects a scratch variable for its third argument",
}


@pytest.mark.parametrize(("statement", "message"), ERRORS.items())
def test_misuse(statement: str, message: str) -> None:
    assert message in complaints(f"begin {{ {statement}; }}")


def test_types() -> None:
    compilation = compile_text("begin { @x[1] = 1; $d = delete(@x[1]); $h = has_key(@x, 1); }")
    statements = compilation.program.probes[0].body.statements
    assert [str(s.value.type) for s in statements[1:]] == ["bool", "bool"]  # type: ignore[attr-defined]


@pytest.mark.live
class TestInTheKernel:
    @staticmethod
    def values(before: str, **expressions: str) -> dict[str, Any]:
        return values(expressions, before + " ")

    def test_delete_tells_whether_there_was_one(self) -> None:
        found = self.values(
            "@m[1] = 1; @m[2] = 2; @s = 5; @a = count();",
            hit="delete(@m[1])", miss="delete(@m, 1)", again="has_key(@m, 2)",
            scalar="delete(@s)", gone="delete(@s)", per_cpu="delete(@a)", empty="delete(@a)",
        )  # fmt: skip
        assert found == {
            "hit": True, "miss": False, "again": True,
            "scalar": True, "gone": False, "per_cpu": True, "empty": False,
        }  # fmt: skip

    def test_keys_of_several_parts(self) -> None:
        found = self.values(
            '@m[1, "a"] = 1;', has='has_key(@m, (1, "a"))', not_='has_key(@m, (2, "a"))',
            deleted='delete(@m[1, "a"])', after='has_key(@m, (1, "a"))',
        )  # fmt: skip
        assert found == {"has": True, "not_": False, "deleted": True, "after": False}

    def test_len_counts_entries(self) -> None:
        found = self.values(
            "for ($i : 0..20) { @m[$i] = 1; @c[$i % 3] = count(); } delete(@m[7]);",
            plain="len(@m)", per_cpu="len(@c)", stack="len(kstack(2))",
        )  # fmt: skip
        assert found["plain"] == 19
        assert found["per_cpu"] == 3
        assert 1 <= found["stack"] <= 2

    def test_find_leaves_the_variable_alone_on_a_miss(self) -> None:
        found = self.values(
            "@m[1] = 10; $v = 3; $a = find(@m, 2, $v); $before = $v; $b = find(@m, 1, $v);",
            missed="$a", old="$before", found="$b", value="$v",
        )  # fmt: skip
        assert found == {"missed": False, "old": 3, "found": True, "value": 10}

    def test_clear_and_zero_are_records_in_order(self) -> None:
        with Loaded(compile_text("begin { @m[1] = 1; print(@m); clear(@m); zero(@m); }").plan) as k:
            assert [action for action, _ in k.run()] == ["print_map", "clear", "zero"]

    def test_numbers_of_keys(self) -> None:
        found = self.values(
            '$one = key_id(@m, (1, "a")); $two = key_id(@m, (1, "b"));',
            same='$one == key_id(@m, (1, "a"))', other="$one == $two", some="$one != 0",
            kept='@m[1, "a"] == $one', length="len(@m)",
        )  # fmt: skip
        assert found == {"same": True, "other": False, "some": True, "kept": True, "length": 2}

    def test_numbers_of_keys_without_room(self) -> None:
        text = "let @m = hash(1); begin { print((key_id(@m, 1) != 0, key_id(@m, 2))); }"
        with Loaded(compile_text(text).plan) as loaded:
            ((_, ((more, none),)),) = loaded.run()
            assert (more, none) == (True, 0)
