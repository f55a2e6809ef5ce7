"""Which roles the charter gives this node's co-op."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from sheaf_node.plugins import ServiceContext
    from sheaf_protocol.charter import Role


def has_role(context: ServiceContext, role: Role) -> bool:
    """Return whether our co-op has a role in the federation at present."""
    return role in context.federation.roles_of(context.cid)


def require_role(context: ServiceContext, role: Role) -> None:
    """Return if our co-op has a role at present, else raise Refusal `policy.role`."""
    if not has_role(context, role):
        raise Refusal("policy.role", f"expected a co-op with the role {role} in this federation")
