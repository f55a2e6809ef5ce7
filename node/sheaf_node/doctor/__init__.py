"""What keeps a node from being well: looked at part by part, with what to do about each."""

from sheaf_node.doctor.finding import Finding, Level

__all__ = ["Finding", "Level"]
