"""Calls into a service that shares this process: whatever it raises is a fault of its own.

`sys.exit` in a service, or a cancellation that it raises itself, would end the node's own task or
the node. What cannot be caught here, such as a call that never returns, is why services of third
parties have processes of their own unless their operator says otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


class ServiceFault(Exception):
    """A service raised what would have ended more than itself."""


def guarded(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a service's function returns. Raises what it raises, `ServiceFault` at worst."""
    try:
        return function(*args, **kwargs)
    except Exception:
        raise
    except BaseException as exc:
        raise ServiceFault(f"expected a value or a fault, got {type(exc).__name__}") from exc
