"""Webhooks: entries of chosen kinds, posted to addresses that a co-op names (Standard Webhooks).

Nothing is copied into a queue. The store keeps the entries; a file of its own keeps how far each
webhook has come, what failed, and when it is tried again. So a slow receiver costs no memory, and
what was erased meanwhile is not sent.
"""

from sheaf_node.webhooks.desk import Desk, Rotation, Wanted
from sheaf_node.webhooks.ledger import Ledger
from sheaf_node.webhooks.model import Delivery, Webhook
from sheaf_node.webhooks.posting import Posting
from sheaf_node.webhooks.sending import Sending

__all__ = ["Delivery", "Desk", "Ledger", "Posting", "Rotation", "Sending", "Wanted", "Webhook"]
