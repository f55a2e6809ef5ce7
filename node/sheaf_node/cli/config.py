"""`sheaf config`: what the settings are, and whether a node would start with them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from sheaf_node.cli.output import (
    fail,
    home_option,
    json_option,
    print_json,
    print_table,
)
from sheaf_node.config import CONFIG_FILE, MAX_CONFIG_BYTES, Config, load_config, parse_config
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECRET: Final = re.compile(r"secret|token|password|passphrase|private|api_?key", re.IGNORECASE)
_NOT_SHOWN: Final = "(not shown)"
_FILE: Final = click.Path(path_type=Path, dir_okay=False)


@click.group()
def config() -> None:
    """Show this node's settings, or check them before a start."""


@config.command()
@click.option("--changed", is_flag=True, help="Only what differs from the default.")
@json_option
@home_option
def show(*, changed: bool, as_json: bool, home: Path) -> None:
    """Show every setting with the value that counts. What looks like a secret is not shown."""
    rows = [row for row in _rows(load_config(home)) if row[2] or not changed]
    if as_json:
        print_json({name: value for name, value, _ in rows})
        return
    click.echo(f"Settings in {home / CONFIG_FILE}; * differs from the default")
    print_table(
        ["setting", "value", ""], [(n, _shown(v), "*" if own else "") for n, v, own in rows]
    )


@config.command()
@click.option("--file", type=_FILE, help="Check this file in place of the home's sheaf.toml.")
@json_option
@home_option
def check(*, file: Path | None, as_json: bool, home: Path) -> None:
    """Say what is wrong with the settings, all of it. It changes nothing; the node may run."""
    from sheaf_node.doctor.settings import faults_of  # noqa: PLC0415 - loads the network parts

    path = home / CONFIG_FILE if file is None else file
    found: list[Refusal] = []
    try:
        settings = load_config(home) if file is None else parse_config(_read(file), file)
        found = faults_of(settings, path)
    except Refusal as refusal:
        found = [refusal]
    if as_json:
        print_json({"faults": [{"code": each.code, "detail": each.detail} for each in found]})
    for each in found[:-1] if not as_json else []:
        click.echo(f"sheaf: {each.detail} [{each.code}]", err=True)
    if found:
        fail(found[-1])
    if not as_json:
        click.echo(f"{path}: a node can start with these settings.")


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_CONFIG_BYTES + 1)
    except OSError as exc:
        detail = f"expected a readable file, got {file}: {exc.strerror}"
        raise Refusal("config.invalid", detail) from exc


def _rows(settings: Config) -> list[tuple[str, Any, bool]]:
    """Return each setting by its full name, its value, and whether that is not the default."""
    usual = dict(_flat("", msgspec.to_builtins(Config(name="?"))))
    rows = []
    for name, value in _flat("", msgspec.to_builtins(settings)):
        last = name.rpartition(".")[2]
        is_changed = name not in usual or usual[name] != value
        rows.append((name, _without_secrets(last, value), is_changed))
    return rows


def _without_secrets(key: str, value: Any) -> Any:
    """Return a value without what is named like a secret, however deep it lies."""
    if _SECRET.search(key):
        return _NOT_SHOWN
    if isinstance(value, dict):
        return {name: _without_secrets(name, inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_secrets("", inner) for inner in value]
    return value


def _flat(prefix: str, table: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _flat(f"{prefix}{key}.", value)
        else:
            yield prefix + key, value


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        listed = (
            each["url"] if isinstance(each, dict) and "url" in each else each for each in value
        )
        return ", ".join(str(each) for each in listed) or "none"
    return str(value) if value not in ({}, "") else "none"
