"""The secrets of one co-op on one node, as files under `keys/` (spec 02, section 6).

Secrets are never in the database, whose copies travel (backups, support).
"""

from sheaf_node.keyring.creation import create_keyring
from sheaf_node.keyring.files import KeyFiles, read_files
from sheaf_node.keyring.folder import KEYS
from sheaf_node.keyring.loading import keyring_of, load_key_ops, load_keyring
from sheaf_node.keyring.model import Keyring
from sheaf_node.keyring.renewal import lost_prekeys, renew_all, renew_prekey
from sheaf_node.keyring.secret_file import Passphrase
from sheaf_node.keyring.words import fingerprint

__all__ = [
    "KEYS",
    "KeyFiles",
    "Keyring",
    "Passphrase",
    "create_keyring",
    "fingerprint",
    "keyring_of",
    "load_key_ops",
    "load_keyring",
    "lost_prekeys",
    "read_files",
    "renew_all",
    "renew_prekey",
]
