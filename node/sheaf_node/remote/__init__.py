"""Services that run as programs of their own, over HTTP with the node (docs/writing-a-service.md).

On the node's side `registry` finds the services that a home granted, and `host` leads one of them
in one federation: a feed of records and steps out, one answer to each step in. `keeping` starts,
watches and ends the processes of those that the node is to run itself. On the other side `running`
runs the class of a service folder, unchanged, over that.
"""

from sheaf_node.remote.host import RemoteHost
from sheaf_node.remote.keeping import Keeping
from sheaf_node.remote.registry import Remotes

__all__ = ["Keeping", "RemoteHost", "Remotes"]
