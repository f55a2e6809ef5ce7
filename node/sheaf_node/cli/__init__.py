"""The command `sheaf`, for people who run a co-op's node. Showing help imports nothing heavy."""

from sheaf_node.cli.main import main

__all__ = ["main"]
