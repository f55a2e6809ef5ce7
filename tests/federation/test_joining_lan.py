"""Two computers on one wire, made of network namespaces: joined by the code alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

APART = ("/usr/bin/unshare", "-n")
SCRIPT = r"""
ip link set lo up
unshare -n sleep 300 & there=$!
trap 'kill $there $node 2>/dev/null' EXIT
until [ "$(readlink /proc/$there/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
ip link add here type veth peer name there netns $there || exit 2
on() { nsenter -t $there -n "$@"; }
ip addr add 192.168.77.1/24 dev here && ip link set here up && ip route add default dev here
on ip addr add 192.168.77.2/24 dev there && on ip link set there up
on ip link set lo up && on ip route add default dev there
"$PYTHON" -m sheaf_node init Hill --lan --home hill
"$PYTHON" -m sheaf_node serve --home hill > hill.out 2>&1 & node=$!
until grep -q Serving hill.out; do sleep 0.2; done
"$PYTHON" -m sheaf_node invite create --home hill | tee invitation
join=$(grep -o 'sheaf join [0-9A-Z-]*$' invitation) || exit 3
on "$PYTHON" -m sheaf_node ${join#sheaf } --lan --name Dale --yes --home dale || exit 4
"""


def may_make_networks() -> bool:
    """Return whether this process may make networks of its own."""
    tried = subprocess.run(
        [*APART, "ip", "link", "add", "one", "type", "veth", "peer", "name", "other"],
        capture_output=True,
        check=False,
    )
    return tried.returncode == 0


def test_a_code_alone_joins_two_computers_on_one_network(tmp_path: Path) -> None:
    pytest.importorskip("zeroconf")
    if not Path(APART[0]).exists() or not may_make_networks():
        pytest.skip("expected leave to make network namespaces")

    done = subprocess.run(
        [*APART, "bash", "-c", SCRIPT],
        cwd=tmp_path,
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert "192.168.77.1:8440" in (tmp_path / "dale" / "sheaf.toml").read_text()
