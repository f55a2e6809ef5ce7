r"""No pattern that a name, an id or a code comes through lets a line end follow.

In Python `$` matches before a last line end as well, so `mill\n` would pass for `mill`: another
name in a path, another line in a header or a log.
"""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

import sheaf_node
import sheaf_protocol
import sheaf_services
from sheaf_node.remote.wire import Answer, Publication, Refused
from sheaf_node.webhooks import Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOTS = [Path(package.__file__ or "").parent for package in (sheaf_protocol, sheaf_node)]
ROOTS.append(Path(sheaf_services.__path__[0]))
END = re.compile(r"(?<!\\)(\\\\)*\$\Z")
"""A pattern whose last sign is an unescaped `$`."""


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Yield the modules of the project by their dotted names."""
    for root in ROOTS:
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root.parent).with_suffix("").parts
            yield ".".join(parts).removesuffix(".__init__"), ast.parse(path.read_text())


def in_structs() -> list[tuple[str, str]]:
    """Return the patterns that are given to a field, with their place."""
    found = []
    for module, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "pattern":
                found.append((f"{module}:{node.value.lineno}", text_of(node.value, module)))
    return found


def compiled() -> list[tuple[str, str]]:
    """Return the patterns that are given to `re`, with their place, but those over many lines."""
    found = []
    for module, tree in trees():
        for node in ast.walk(tree):
            is_call = isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.")
            if not is_call or "MULTILINE" in ast.unparse(node) or not node.args:
                continue
            if isinstance(node.args[0], ast.Constant | ast.JoinedStr):
                found.append((f"{module}:{node.lineno}", text_of(node.args[0], module)))
    return found


def text_of(node: ast.expr, module: str) -> str:
    """Return a pattern's text; where parts of it are names, with their values."""
    if isinstance(node, ast.Constant):
        value = node.value
        return value.decode() if isinstance(value, bytes) else str(value)
    known = vars(importlib.import_module(module))
    return str(eval(compile(ast.Expression(node), "<pattern>", "eval"), dict(known)))  # noqa: S307


def test_patterns_of_fields_are_anchored_at_both_ends() -> None:
    found = in_structs()

    loose = [(at, text) for at, text in found if not re.fullmatch(r"(?s)\\A.*\\Z", text)]

    assert len(found) > 40
    assert loose == []


def test_no_expression_ends_where_a_line_end_may_follow() -> None:
    found = compiled()

    loose = [(at, text) for at, text in found if END.search(text)]

    assert len(found) > 40
    assert loose == []


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (Answer, {"step": "1", "refusal": {"code": "alert.watch\n", "detail": ""}}),
        (Refused, {"code": "alert.watch\n", "detail": ""}),
        (Publication, {"kind": "demand.submit", "record": {}, "refs": ["ab" * 32 + "\n"]}),
        (Publication, {"kind": "demand.submit", "record": {}, "to": ["ab" * 32 + "\n"]}),
        (Wanted, {"url": "https://erp.example", "kinds": ["*"], "federation": "ab\n"}),
    ],
)
def test_a_line_end_behind_a_name_is_refused(type_: type, value: object) -> None:
    with pytest.raises(msgspec.ValidationError, match="matching regex"):
        msgspec.json.decode(msgspec.json.encode(value), type=type_)
