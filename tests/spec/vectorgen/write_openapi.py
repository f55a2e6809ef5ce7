"""Write the OpenAPI document of the local API: `python write_openapi.py spec/openapi`."""

from __future__ import annotations

import sys
from pathlib import Path

from sheaf_node.api.openapi import document_bytes
from sheaf_node.api.table import ROUTES

if __name__ == "__main__":
    (Path(sys.argv[1]) / "local-api.json").write_bytes(document_bytes(ROUTES))
