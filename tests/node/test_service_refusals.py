"""What a service is refused before anything of it runs: an address, a name."""

from pathlib import Path

import pytest
from tests.node.service_apart import write_service
from tests.node.test_cli import done, run

from sheaf_node.remote.client import require_node
from sheaf_protocol.errors import Refusal


@pytest.mark.parametrize(
    "url",
    [
        "http://mill.example:8441",  # its token would go over the network as it is
        "http://127.0.0.1@mill.example",  # as would this, whatever it looks like
        "ftp://127.0.0.1",
        "127.0.0.1:8441",
        "http://[",
    ],
)
def test_a_service_sends_its_token_over_tls_or_to_this_computer(url: str) -> None:
    with pytest.raises(Refusal) as refused:
        require_node(url)

    assert refused.value.code == "service.address"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8441", "https://mill.example"])
def test_the_address_of_a_node_ends_with_its_port(url: str) -> None:
    assert require_node(f"{url}/api/v1") == url


def test_a_service_is_not_called_like_one_of_the_nodes_own(tmp_path: Path) -> None:
    folder = write_service(tmp_path / "governance", name="governance")
    done("init", "Mill", "--home", tmp_path / "mill")

    result = run("service", "add", folder, "--yes", "--home", tmp_path / "mill")

    assert result.exit_code == 1
    assert "service.exists" in result.stderr
