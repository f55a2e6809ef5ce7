"""The local HTTP API: for the co-op's own people and programs, on loopback, with a token."""

from sheaf_node.api.server import LocalApi
from sheaf_node.api.token import read_token, write_token
from sheaf_node.api.tokens import Tokens

__all__ = ["LocalApi", "Tokens", "read_token", "write_token"]
