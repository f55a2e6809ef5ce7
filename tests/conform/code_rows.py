"""What provokes each code of `spec/errors.json`: the table `codes.json`, and how it is made.

    python -m tests.conform.code_rows

writes the table anew. A code's row names cases of the kit: those on the `wire`, and those of the
surface `bytes`, which are the vectors. A code that neither can give is of a command, a file or a
service of this implementation, and its row names `tests` of the default run.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from sheaf_node.conform.cases import all_cases
from sheaf_node.conform.judging import all_vectors, claim_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).with_name("codes.json")
CODE = re.compile(r"[a-z0-9_]{1,32}\.[a-z0-9_]{1,32}")
MOST = 3
"""Names of one sort in a row: enough to find an example."""


def listed() -> list[str]:
    """Return the codes of the spec."""
    return [row["code"] for row in json.loads((ROOT / "spec" / "errors.json").read_text())]


def made() -> dict[str, dict[str, list[str]]]:
    """Return the table as it should be."""
    wire, vectors = by_case(), by_vector()
    tests = by_test({code for code in listed() if code not in wire and code not in vectors})
    table = {}
    for code in listed():
        row = {"wire": wire.get(code, []), "bytes": vectors.get(code, [])}
        row |= {"tests": tests.get(code, [])}
        table[code] = {name: found[:MOST] for name, found in row.items() if found}
    return table


def by_case() -> dict[str, list[str]]:
    """Return the kit's cases on the wire by the codes that the node gives in them."""
    found: dict[str, list[str]] = {}
    for case in all_cases():
        for code in case.codes:
            found.setdefault(code, []).append(case.id)
    return found


def by_vector() -> dict[str, list[str]]:
    """Return the vectors, cases of the surface `bytes`, by the code that they demand."""
    found: dict[str, list[str]] = {}
    for claim in map(claim_of, all_vectors()):
        for code in claim.codes:
            found.setdefault(code, []).append(claim.id)
    return found


def by_test(codes: set[str]) -> dict[str, list[str]]:
    """Return the tests that name a code, decorators included; else the files that do."""
    found: dict[str, list[str]] = {}
    for name, words in named():
        for code in sorted(codes & words):
            found.setdefault(code, []).append(name)
    return {code: [n for n in names if "::" in n] or names for code, names in found.items()}


def named() -> Iterator[tuple[str, set[str]]]:
    """Yield the tests of the default run, and the files they are in, with the codes in them."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if path.name in {"test_kit.py", "test_broken.py"}:
            continue
        tree, name = ast.parse(path.read_text()), path.relative_to(ROOT).as_posix()
        for node in tree.body:
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            if is_function and node.name.startswith("test_"):
                yield f"{name}::{node.name}", set(texts(node))
        yield name, set(texts(tree))


def texts(node: ast.AST) -> Iterator[str]:
    """Yield what looks like a code in the texts of a piece of source."""
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield from CODE.findall(each.value.replace("\\.", "."))  # a pattern quotes its dot


def main() -> None:
    """Write the table."""
    TABLE.write_text(json.dumps(made(), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
