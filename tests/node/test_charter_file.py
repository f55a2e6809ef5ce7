"""Files by which a co-op joins a federation that others founded."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import UNSET

from sheaf_node.app import open_node
from sheaf_node.charter_file import (
    FOLDER,
    CharterFile,
    adopt_charter,
    adopted_charters,
    adopted_ids,
    join_charter,
    make_charter_file,
    read_charter_file,
)
from sheaf_node.clock import ManualClock
from sheaf_node.config import CONFIG_FILE, initial_config
from sheaf_node.keyring import create_keyring, load_key_ops
from sheaf_protocol.charter import Certificate, Chain
from sheaf_protocol.codec import encode
from sheaf_protocol.errors import Refusal, RemoteProtocolError
from sheaf_protocol.identity import fold_key_log
from sheaf_protocol.records.governance import Change
from sheaf_protocol.testing.author import START_MS, make_coop, make_federation
from sheaf_protocol.testing.epoch import about, keys_of, make_epoch

COOPS = [make_coop(name) for name in ("Hill", "Dale", "Moor")]
GENESIS = make_federation([(coop, ["member"]) for coop in COOPS])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    create_keyring(tmp_path, name="Lake", country="GB", random=os.urandom, now_ms=START_MS)
    (tmp_path / CONFIG_FILE).write_text(initial_config(name="Lake", peer_port=0, local_port=0))
    return tmp_path


def chain_of(*changes: Change) -> Chain:
    chain = Chain.found(GENESIS, keys_of(COOPS))
    for change in changes:
        chain = chain.add(make_epoch(chain.federation, change, COOPS), keys_of(COOPS))
    return chain


def rivals(chain: Chain) -> list[Certificate]:
    """Return certificates that contradict one another."""
    return [make_epoch(chain.federation, about("suspend", coop), COOPS) for coop in COOPS[:2]]


def file_of(chain: Chain) -> CharterFile:
    key_ops = {coop.cid: coop.key_ops for coop in COOPS}
    return read_charter_file(make_charter_file(chain, lambda cid: key_ops[cid]))


async def told_of(home: Path, certificates: Sequence[Certificate]) -> None:
    """Have a home's node hold some certificates."""
    key_logs = {coop.cid: coop.key_ops for coop in COOPS}
    async with open_node(home, clock=ManualClock(START_MS), random=os.urandom) as node:
        for certificate in certificates:
            await node.parts.ingest.receive_certificate(certificate, key_logs=key_logs, wanted=True)


def admission_of(home: Path, chain: Chain) -> Certificate:
    """Return the certificate that admits a home's co-op."""
    log = fold_key_log(load_key_ops(home))
    change = Change(action="admit", cid=log.cid, key_head=log.head, roles=["member"])
    return make_epoch(chain.federation, change, COOPS)


def test_a_file_of_a_founding_alone_is_as_before() -> None:
    file = file_of(chain_of())

    assert file.later is UNSET
    assert file.certificates == [GENESIS]


def test_a_file_holds_later_certificates_in_their_order() -> None:
    chain = chain_of(about("suspend", COOPS[2]), about("restore", COOPS[2]))

    assert file_of(chain).certificates == chain.certificates


def test_a_file_tells_of_certificates_in_the_order_in_which_they_came() -> None:
    halted = chain_of()
    # The one of the higher id first, so that no order of ids will do.
    for certificate in sorted(rivals(halted), key=lambda each: each.id, reverse=True):
        halted = halted.add(certificate, keys_of(COOPS))
    first = Chain.of(halted.certificates[:2])
    chain = halted.add(
        make_epoch(first.federation, about("leave", COOPS[2]), COOPS), keys_of(COOPS)
    )

    file = file_of(chain)

    assert file.certificates == chain.certificates
    assert Chain.of(file.certificates) == chain


def test_a_chain_too_long_for_a_file_is_cut_at_its_end() -> None:
    chain = chain_of(*(about(action, COOPS[2]) for action in ("suspend", "restore", "suspend")))
    key_ops = {coop.cid: coop.key_ops for coop in COOPS}
    whole = make_charter_file(chain, lambda cid: key_ops[cid])

    short = make_charter_file(chain, lambda cid: key_ops[cid], most=len(whole))

    assert read_charter_file(short).certificates == chain.certificates[:-1]
    assert len(short) < len(whole)


def test_a_co_op_joins_a_federation_that_does_not_name_it(home: Path) -> None:
    chain = chain_of(about("suspend", COOPS[2]))

    federation = join_charter(file_of(chain), home)

    assert federation == chain.federation
    assert adopted_ids(home) == {GENESIS.fid}
    assert [each.certificates for each in adopted_charters(home)] == [chain.certificates]


def test_a_co_op_adopts_only_what_names_it(home: Path) -> None:
    with pytest.raises(Refusal) as refusal:
        adopt_charter(file_of(chain_of()), home)

    assert refusal.value.code == "charter.not_member"
    assert adopted_ids(home) == frozenset()


def test_a_file_with_an_epoch_that_nobody_certified_is_not_taken(home: Path) -> None:
    good = file_of(chain_of())
    forged = make_epoch(chain_of().federation, about("suspend", COOPS[2]), COOPS[:1])

    with pytest.raises(RemoteProtocolError) as refusal:
        join_charter(CharterFile(certificate=GENESIS, key_logs=good.key_logs, later=[forged]), home)

    assert refusal.value.code == "charter.quorum"
    assert not (home / FOLDER).exists()


def test_other_files_in_the_folder_are_no_federations(home: Path) -> None:
    join_charter(file_of(chain_of()), home)
    (home / FOLDER / "notes.charter").write_bytes(encode(file_of(chain_of())))

    assert adopted_ids(home) == {GENESIS.fid}


async def test_a_node_takes_up_the_chain_that_its_home_joined(home: Path) -> None:
    chain = chain_of(about("suspend", COOPS[2]))
    join_charter(file_of(chain), home)

    async with open_node(home, clock=ManualClock(START_MS), random=os.urandom) as node:
        assert node.parts.ingest.known.foreign == {GENESIS.fid: chain.federation}
        assert dict(node.hosts.by_federation) == {}


async def test_a_node_takes_what_a_crash_left_untaken_of_the_chain_that_its_home_joined(
    home: Path,
) -> None:
    chain = chain_of(*(about(action, COOPS[2]) for action in ("suspend", "restore", "suspend")))
    await told_of(home, chain.certificates[:2])
    join_charter(file_of(chain), home)

    async with open_node(home, clock=ManualClock(START_MS), random=os.urandom) as node:
        assert node.parts.store.chains[GENESIS.fid] == chain


async def test_a_charter_file_that_members_contradicted_since_does_not_keep_a_node_from_opening(
    home: Path,
) -> None:
    chain = chain_of(about("suspend", COOPS[2]), about("restore", COOPS[2]))
    one, other = (chain.add(rival, keys_of(COOPS)) for rival in rivals(chain_of()))
    await told_of(home, one.certificates)
    join_charter(file_of(other), home)

    async with open_node(home, clock=ManualClock(START_MS), random=os.urandom) as node:
        assert node.parts.store.chains[GENESIS.fid] == one


async def test_a_charter_file_whose_founding_is_refused_keeps_a_node_from_opening(
    home: Path,
) -> None:
    unsigned = CharterFile(
        certificate=Certificate(approvals=[], body=GENESIS.body),
        key_logs=file_of(chain_of()).key_logs,
    )
    (home / FOLDER).mkdir()
    (home / FOLDER / f"{GENESIS.fid.hex()}.charter").write_bytes(encode(unsigned))

    with pytest.raises(RemoteProtocolError) as refusal:
        async with open_node(home, clock=ManualClock(START_MS), random=os.urandom):
            pass

    assert refusal.value.code == "charter.signature"


def test_charters_of_which_all_is_held_are_left_out(home: Path) -> None:
    chain = chain_of(about("suspend", COOPS[2]))
    join_charter(file_of(chain), home)

    assert adopted_charters(home, held={GENESIS.fid: chain.links}) == []
    assert adopted_charters(home, held={GENESIS.fid: chain_of().links}) == [file_of(chain)]


def test_charter_file_that_is_spoilt_is_refused_by_name_though_the_chain_is_held(
    home: Path,
) -> None:
    path = home / FOLDER / f"{GENESIS.fid.hex()}.charter"
    path.parent.mkdir()
    path.write_bytes(b"spoilt")

    with pytest.raises(Refusal) as refusal:
        adopted_charters(home, held={GENESIS.fid: chain_of().links})

    assert refusal.value.code == "charter.file"
    assert str(path) in refusal.value.detail


async def test_a_node_that_is_admitted_finds_its_services_when_it_starts_again(home: Path) -> None:
    chain = chain_of()
    join_charter(file_of(chain), home)
    clock = ManualClock(START_MS)
    async with open_node(home, clock=clock, random=os.urandom) as node:
        await node.parts.ingest.receive_certificate(admission_of(home, chain))

    async with open_node(home, clock=clock, random=os.urandom) as node:
        assert list(node.parts.ingest.federations) == [GENESIS.fid]
        assert "governance" in node.hosts.by_federation[GENESIS.fid]


async def test_a_home_that_never_joined_takes_no_part_though_it_is_admitted(home: Path) -> None:
    chain = chain_of()
    key_logs = {coop.cid: coop.key_ops for coop in COOPS}

    async with open_node(home, clock=ManualClock(START_MS), random=os.urandom) as node:
        ingest = node.parts.ingest
        await ingest.receive_certificate(GENESIS, key_logs=key_logs, wanted=True)
        await ingest.receive_certificate(admission_of(home, chain))

        assert dict(ingest.federations) == {}
