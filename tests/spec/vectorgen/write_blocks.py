"""Write the generated blocks of the chapters: `python write_blocks.py spec`.

A block stands between `<!-- begin: name -->` and `<!-- end -->`. Tables come from the code that the
chapter describes, worked examples from the byte-level kit; a test asserts that writing them again
changes nothing. So prose is written by hand, and what exists twice is not.
"""

from __future__ import annotations

import ast
import itertools
import json
import re
import sys
import textwrap
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import blocks_blob
import blocks_charter
import blocks_clearing
import blocks_erasure
import blocks_examples
import blocks_invitation
import blocks_link
import blocks_private_demand
import blocks_recovery
import blocks_seat
import blocks_story
import blocks_treaty
from msgspec import inspect

from sheaf_protocol import limits
from sheaf_protocol.charter import EVERY_MEMBER, MAY, VOTING, model
from sheaf_protocol.lifecycle import MACHINES, kind_of, to_markdown
from sheaf_protocol.link import messages
from sheaf_protocol.link.state import MAY_SEND
from sheaf_protocol.records import KINDS, PRIVATE, governance, registry
from sheaf_protocol.records.governance import DEFAULT_POLICY
from sheaf_protocol.treaty import model as treaty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

BLOCK: Final = re.compile(r"(<!-- begin: ([a-z0-9_]+) -->\n).*?(<!-- end -->)", re.DOTALL)
SUBJECTS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("capacity", "demand", "erasure", "hold", "match", "offer"), "10-records"),
    **dict.fromkeys(("order", "pool", "transport", "values", "verdict"), "10-records"),
    **dict.fromkeys(("delivery", "invoice"), "10-records"),
    "address": "08-discovery",
    "bridge": "16-treaties",
    "curve": "17-private-demand",
    "governance": "15-deciding",
    "model": "16-treaties",
    "recovery": "18-restoring-a-writer",
    "seat": "20-seats",
}
"""The files that define records and their parts, and the chapter that has their tables."""
CHARTER: Final = (
    *(model.Certificate, model.Approval, model.Charter, model.Member, model.TreatyInForce),
    *(governance.Policy, governance.Change, governance.Ballot),
    *(governance.CoopLines, governance.LogLine),
)
"""What chapter 09 has the tables of."""
TREATY: Final = (treaty.Treaty, treaty.Direction, treaty.IdMap)
MESSAGES: Final = (
    messages.ControlHave,
    messages.ControlWant,
    messages.ControlItems,
    messages.Scope,
    messages.Idle,
    messages.Compare,
    messages.Have,
    messages.Tree,
    messages.TreeWant,
    messages.Want,
    messages.Entries,
    messages.Served,
    messages.Lagged,
    messages.Subscribe,
    messages.PayloadWant,
    messages.Payloads,
    messages.BlobWant,
    messages.BlobPiece,
    messages.BlobEnd,
    messages.Credit,
    messages.Reject,
    messages.Bye,
)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def limit_table() -> str:
    """Return every constant of limits.py with its value and reason."""
    body = ast.parse(Path(limits.__file__).read_text()).body
    rows = []
    for node, after in itertools.pairwise(body):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
            reason = ast.literal_eval(after.value) if isinstance(after, ast.Expr) else ""
            rows.append([f"`{name}`", f"{getattr(limits, name):,}", " ".join(reason.split())])
    return table(["constant", "value", "what and why"], rows)


def home_of(cls: type) -> str:
    """Return the chapter that has the table of a struct."""
    return "09-charter" if cls in CHARTER else SUBJECTS[subject_of(cls)]


def shape(of: inspect.Type, here: str) -> str:
    """Return a field's type and bounds in words, as the chapter that it stands in says them."""
    match of:
        case inspect.StructType(cls=cls):
            page = "" if home_of(cls) == here else f"{home_of(cls)}.md"
            return f"[{cls.__name__}]({page}#{cls.__name__.lower()})"
        case inspect.ListType(item_type=item, min_length=low, max_length=high):
            return f"{low or 0}..{high} of {shape(item, here)}"
        case inspect.IntType(ge=low, le=high):
            return f"integer {number(low)}..{number(high)}"
        case inspect.BytesType(min_length=low, max_length=high):
            return f"{high} bytes" if low == high else f"{low or 0}..{high} bytes"
    return "boolean" if isinstance(of, inspect.BoolType) else text_shape(of)


def text_shape(of: inspect.Type) -> str:
    """Return the bounds of a text, or the values allowed."""
    if isinstance(of, inspect.LiteralType):
        return " or ".join(f"`{json.dumps(value)}`" for value in of.values)
    if not isinstance(of, inspect.StrType):
        raise TypeError(of)
    pattern = "" if of.pattern is None else of.pattern.removeprefix(r"\A").removesuffix(r"\Z")
    size = "" if of.max_length is None else f", {of.min_length or 0}..{of.max_length} characters"
    return f"text `{pattern}`".replace("|", r"\|") + size


def number(value: int | None) -> str:
    """Return an integer, the largest by its name."""
    return "2^53-1" if value == limits.MAX_INT else f"{value:,}"


def fields_of(struct: type) -> str:
    """Return a struct's fields in wire order."""
    info = inspect.type_info(struct)
    if not isinstance(info, inspect.StructType):
        raise TypeError(struct)
    here = home_of(struct)
    rows = [
        [f"`{f.encode_name}`", "" if f.required else "optional", shape(f.type, here)]
        for f in info.fields
    ]
    return table(["key", "", "value"], rows)


def structs_in(struct: type, seen: list[type]) -> None:
    """Collect the structs that a struct holds, each once, in the order met."""
    info = inspect.type_info(struct)
    todo = [f.type for f in info.fields] if isinstance(info, inspect.StructType) else []
    while todo:
        each = todo.pop(0)
        if isinstance(each, inspect.ListType):
            todo.append(each.item_type)
        elif isinstance(each, inspect.StructType) and each.cls not in seen:
            seen.append(each.cls)
            structs_in(each.cls, seen)


def record_tables(subject: str) -> str:
    """Return the records of one file by kind, then the structs that they hold and define."""
    kinds = {k: t for k, t in sorted(KINDS.items()) if subject_of(t) == subject}
    return "\n".join(
        [
            *(f"### {kind}\n\n{summary(t)}\n\n{fields_of(t)}" for kind, t in kinds.items()),
            *(part_table(t) for t in parts() if subject_of(t) == subject and t not in CHARTER),
        ]
    )


def value_tables() -> str:
    """Return the structs that records of several files share."""
    return "\n".join(part_table(cls) for cls in parts() if subject_of(cls) == "values")


def struct_tables(structs: Iterable[type]) -> str:
    """Return the sections of structs that no record leads to."""
    return "\n".join(map(part_table, structs))


def part_table(cls: type) -> str:
    """Return the section of a struct that is no record of its own."""
    return f"### {cls.__name__}\n\n{summary(cls)}\n\n{fields_of(cls)}"


def parts() -> list[type]:
    """Return every struct inside a record, and the private leaves of awards."""
    seen: list[type] = [registry.pool.Allocation, registry.pool.Allotment]
    structs_in(registry.pool.Allotment, seen)
    for _, type_ in sorted(KINDS.items()):
        structs_in(type_, seen)
    return sorted(seen, key=lambda cls: cls.__name__)


def subject_of(cls: type) -> str:
    """Return the file that defines a struct."""
    return cls.__module__.rpartition(".")[2]


def summary(cls: type) -> str:
    """Return the whole docstring as one or more wrapped paragraphs."""
    parts = textwrap.dedent("    " + (cls.__doc__ or "").strip()).split("\n\n")
    return "\n\n".join(textwrap.fill(" ".join(part.split()), 100) for part in parts)


def kind_table() -> str:
    """Return the registry of kinds."""
    rows = []
    for kind, type_ in sorted(KINDS.items()):
        roles = sorted(role for role, kinds in MAY.items() if kind in kinds)
        who = "every member" if kind in EVERY_MEMBER else ", ".join(roles)
        travels = "sealed" if kind in PRIVATE else "open"
        rows.append([f"`{kind}`", type_.__name__, travels, who, home_of(type_)[:2]])
    return table(["kind", "record", "travels", "who may publish it", "chapter"], rows)


def role_table() -> str:
    """Return which role has a vote and what each may publish."""
    rows = [
        [role, "yes" if role in VOTING else "no", ", ".join(f"`{k}`" for k in sorted(kinds))]
        for role, kinds in MAY.items()
    ]
    rows.append(["every member", "", ", ".join(f"`{k}`" for k in sorted(EVERY_MEMBER))])
    return table(["role", "vote", "kinds"], rows)


def policy_table() -> str:
    """Return every key of a policy with the value that founders get and what it is for."""
    (cls,) = (
        node
        for node in ast.parse(Path(governance.__file__).read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == "Policy"
    )
    rows = []
    for node, after in itertools.pairwise(cls.body):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            reason = ast.literal_eval(after.value) if isinstance(after, ast.Expr) else ""
            value = json.dumps(getattr(DEFAULT_POLICY, node.target.id))
            rows.append([f"`{node.target.id}`", f"`{value}`", " ".join(reason.split())])
    return table(["key", "default", "what and why"], rows)


def reserved_table() -> str:
    """Return the events of chapter 11 that no record of this version carries."""
    events = {kind: m.name for m in MACHINES for e in m.senders if (kind := kind_of(e))}
    return table(
        ["kind", "machine"],
        [[f"`{kind}`", name] for kind, name in sorted(events.items()) if kind not in KINDS],
    )


def message_table() -> str:
    """Return the link messages, element by element."""
    rows = []
    for cls in MESSAGES:
        names = [f'"{cls.__struct_config__.tag}"', *cls.__struct_fields__]
        rows.append([f"`[{', '.join(names)}]`", summary(cls).replace("\n", " ")])
    return table(["message", "meaning"], rows)


def turn_table() -> str:
    """Return who may send what when."""
    rows = []
    for turn, moves in MAY_SEND.items():
        for cls, after in moves.items():
            tag = str(cls.__struct_config__.tag)
            rows.append([turn.name, f"`{tag}`", after.name])
    return table(["turn", "message", "turn after it"], rows)


def error_table(folder: Path) -> str:
    """Return errors.json as a table."""
    rows = json.loads((folder / "errors.json").read_text())
    return table(
        ["code", "fault", "retry", "meaning"],
        [[f"`{r['code']}`", r["fault"], r["retry"], r["sentence"]] for r in rows],
    )


def blocks(folder: Path) -> Mapping[str, Callable[[], str]]:
    """Return what makes each block."""
    return {
        "limits": limit_table,
        **{f"records_{name}": partial(record_tables, name) for name in SUBJECTS},
        "charter_structs": partial(struct_tables, CHARTER),
        "treaty_structs": partial(struct_tables, TREATY),
        "policy": policy_table,
        "values": value_tables,
        "kinds": kind_table,
        "reserved": reserved_table,
        "roles": role_table,
        **{machine.name: partial(to_markdown, machine) for machine in MACHINES},
        "messages": message_table,
        "turns": turn_table,
        "errors": lambda: error_table(folder),
        **blocks_blob.EXAMPLES,
        **blocks_charter.EXAMPLES,
        **blocks_clearing.EXAMPLES,
        **blocks_examples.EXAMPLES,
        **blocks_erasure.EXAMPLES,
        **blocks_link.EXAMPLES,
        **blocks_private_demand.EXAMPLES,
        **blocks_recovery.EXAMPLES,
        **blocks_invitation.EXAMPLES,
        **blocks_seat.EXAMPLES,
        **blocks_story.EXAMPLES,
        **blocks_treaty.EXAMPLES,
    }


def write(folder: Path) -> None:
    """Write all blocks of all chapters anew."""
    known = blocks(folder)

    def made(match: re.Match[str]) -> str:
        return f"{match[1]}\n{known[match[2]]()}\n{match[3]}"

    for path in sorted(folder.glob("*.md")):
        path.write_text(BLOCK.sub(made, path.read_text()))


def main(arguments: list[str]) -> Any:
    """Write the blocks below the folder named."""
    write(Path(arguments[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
