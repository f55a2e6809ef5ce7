"""What a node holds as one file that others can check, also with another implementation.

`docs/bundles.md` tells the format: the messages by which a link would carry the same.
"""

from sheaf_node.bundle.checking import Checked, check_bundle
from sheaf_node.bundle.writing import Written, write_bundle

__all__ = ["Checked", "Written", "check_bundle", "write_bundle"]
