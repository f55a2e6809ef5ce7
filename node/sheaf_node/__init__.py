"""The Sheaf node: keeps the logs, links to peers and runs services on top of the protocol."""
