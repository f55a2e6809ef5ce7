from pathlib import Path

import pytest

from sheaf_node.config import CONFIG_FILE, MAX_CONFIG_BYTES, initial_config, load_config
from sheaf_protocol.errors import Refusal
from sheaf_protocol.subscription import Filter


def home_with(tmp_path: Path, text: str | bytes) -> Path:
    data = text.encode() if isinstance(text, str) else text
    (tmp_path / CONFIG_FILE).write_bytes(data)
    return tmp_path


def test_a_name_is_all_that_must_be_set(tmp_path: Path) -> None:
    config = load_config(home_with(tmp_path, 'name = "Hill Farm"'))

    assert config.name == "Hill Farm"
    assert (config.peer_host, config.peer_port, config.local_port) == ("127.0.0.1", 8440, 8441)
    assert config.limits.links > 0
    assert config.subscription.is_whole
    assert config.waits.recheck_ms > 0


def test_all_tables_are_read(tmp_path: Path) -> None:
    text = """
    name = "Hill Farm"
    public_names = ["hill.example"]
    peers = [{ url = "wss://dale.example" }]
    [services.pooled_purchasing]
    coordinator = true
    [subscription]
    kinds = ["offer.submit"]
    [limits]
    links = 5
    [waits]
    recheck_ms = 1000
    """

    config = load_config(home_with(tmp_path, text))

    assert [peer.url for peer in config.peers] == ["wss://dale.example"]
    assert config.subscription == Filter(kinds=["offer.submit"])
    assert config.services == {"pooled_purchasing": {"coordinator": True}}
    assert (config.limits.links, config.waits.recheck_ms) == (5, 1000)


@pytest.mark.parametrize("name", ["Hill Farm", 'The "Old" Mill\\', "Käserei Tal 🐄", "tab\there"])
def test_the_initial_config_is_read_back_as_it_was_meant(tmp_path: Path, name: str) -> None:
    text = initial_config(name=name, peer_port=1, local_port=2)

    config = load_config(home_with(tmp_path, text))

    assert (config.name, config.peer_port, config.local_port) == (name, 1, 2)


@pytest.mark.parametrize(
    ("text", "key", "near"),
    [
        ('nam = "x"', "'nam'", "'name'"),  # a letter lost
        ('name = "x"\npeer_prot = 1', "'peer_prot'", "'peer_port'"),  # two swapped
        ('name = "x"\n[limits]\nlink = 1', "'limits.link'", "'links'"),  # inside a table
        ('name = "x"\npeers = [{ ulr = "ws://a" }]', "'peers.ulr'", "'url'"),  # inside a list
        ('name = "x"\n[subscription]\nkind = ["a"]', "'subscription.kind'", "'kinds'"),
        ('name = "x"\nzzzz = 1', "'zzzz'", "known: name"),  # like nothing: all are named
    ],
)
def test_a_typo_is_refused_by_name_with_the_nearest_key(
    tmp_path: Path, text: str, key: str, near: str
) -> None:
    home = home_with(tmp_path, text)

    with pytest.raises(Refusal) as refusal:
        load_config(home)

    assert refusal.value.code == "config.unknown_key"
    assert key in refusal.value.detail
    assert near in refusal.value.detail
    assert str(home / CONFIG_FILE) in refusal.value.detail


@pytest.mark.parametrize(
    "text",
    [
        "",  # no name
        'name = "x"\npeer_port = "8440"',  # a text for a number
        'name = "x"\npeer_port = 70000',  # no such port
        'name = "x"\npeers = [{ url = "ftp://a" }]',  # not a peer's scheme
        'name = "x"\npeers = ["ws://a"]',  # a text for a table
        'name = "x"\n[limits]\nlinks = 0',  # a limit that lets nothing through
        'name = "x"\nlimits = 3',  # a number for a table
        'name = "x',  # not TOML
        b'name = "\xff"',  # not UTF-8
        b"#" * (MAX_CONFIG_BYTES + 1),  # too long
    ],
)
def test_a_wrong_value_is_refused(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(Refusal) as refusal:
        load_config(home_with(tmp_path, text))

    assert refusal.value.code == "config.invalid"


def test_a_peer_given_as_an_address_is_told_how_to_write_it(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as refusal:
        load_config(home_with(tmp_path, 'name = "x"\npeers = ["ws://a"]'))

    assert 'expected { url = "ws://a" } in peers, got "ws://a"' in refusal.value.detail


def test_the_examples_in_the_initial_config_are_settings(tmp_path: Path) -> None:
    text = initial_config(name="x", peer_port=1, local_port=2).replace("    # {", "    {")

    config = load_config(home_with(tmp_path, text))

    assert [peer.url for peer in config.peers] == ["wss://example.org", "ws://127.0.0.1:8450"]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as refusal:
        load_config(tmp_path)

    assert refusal.value.code == "config.missing"


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).mkdir()

    with pytest.raises(Refusal) as refusal:
        load_config(tmp_path)

    assert refusal.value.code == "config.invalid"
