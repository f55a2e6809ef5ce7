"""What a person sees while the demo runs; nothing where a program reads."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Progress:
    """A numbered bar for each step, on standard error."""

    def __init__(self, *, is_quiet: bool) -> None:
        self._is_quiet = is_quiet
        self._number = 0

    def tell(self, text: str) -> None:
        """Print text for a person on standard output."""
        if not self._is_quiet:
            click.echo(text)

    @contextmanager
    def step(self, label: str, length: int) -> Iterator[Callable[[int], None]]:
        """Show a step of so many parts; call what is yielded with the parts just done."""
        self._number += 1
        if self._is_quiet:
            yield lambda parts: None
            return
        text = f"{self._number:>2}. {label}".ljust(52)
        with click.progressbar(length=length, label=text, file=sys.stderr, show_eta=False) as bar:
            yield bar.update
