"""The conformance kit: cases that any implementation can be put to, over the wire.

`docs/conformance.md` is for whoever has a node in another language. The kit knows a node by its
peer port and, where it offers one, by its local API; of ours it uses the protocol library alone.
"""
