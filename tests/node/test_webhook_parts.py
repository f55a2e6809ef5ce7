"""What webhooks are made of: signatures, addresses, when a try follows on another."""

from __future__ import annotations

import os
import sqlite3
import stat
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from sheaf_node.peering.reach import Reach
from sheaf_node.webhooks import Delivery, Ledger, Webhook
from sheaf_node.webhooks.address import reached, require_url
from sheaf_node.webhooks.ledger import _TABLES, FILE, KEPT_DEAD, KEPT_DELIVERED
from sheaf_node.webhooks.model import OldSecret, Stage, State
from sheaf_node.webhooks.posting import Outcome
from sheaf_node.webhooks.schedule import FAILED_AFTER_MS, MOST_TRIES, after_try
from sheaf_node.webhooks.signature import new_secret, signature, signed_headers
from sheaf_protocol.digest import EntryId
from sheaf_protocol.errors import Refusal

if TYPE_CHECKING:
    from pathlib import Path

DAY_MS = 86_400_000
NEW = "whsec_bmV3"
TAKEN, BROKEN = Outcome("HTTP 204 No Content", 204), Outcome("no answer in time")
HOOK = Webhook(
    id="ab" * 8,
    url="https://erp.example/sheaf",
    secret=new_secret(os.urandom),
    kinds=["*"],
    fid=None,
    allow_loopback=False,
    created_ms=0,
    cursor=0,
)


def delivery(number: int, **changes: Any) -> Delivery:
    made = Delivery(
        id=f"msg_{number}",
        webhook=HOOK.id,
        entry=EntryId(bytes(32)),
        arrival=number,
        kind="verdict",
        next_ms=number,
    )
    return structs.replace(made, **changes)


def code_of(url: str, reach: Reach = Reach.PRIVATE) -> str | None:
    try:
        require_url(url, reach)
    except Refusal as refusal:
        return refusal.code
    return None


# --- signatures


def test_a_signature_is_that_of_the_published_example() -> None:
    signed = signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "1614265330",
        b'{"test": 2432232314}',
    )

    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_time_is_told_in_seconds() -> None:
    headers = signed_headers([HOOK.secret], "msg_1", 1_614_265_330_999, b"")

    assert headers["webhook-timestamp"] == "1614265330"


def test_a_delivery_is_signed_by_each_secret_that_holds_and_no_other() -> None:
    olds = [OldSecret(secret=f"old{n}", until_ms=n) for n in (200, 100)]
    hook = structs.replace(HOOK, secret=NEW, old_secrets=olds)

    assert hook.secrets_at(99) == [NEW, "old200", "old100"]
    assert hook.secrets_at(100) == [NEW, "old200"]
    assert hook.secrets_at(200) == [NEW]


# --- secrets that are changed


def test_a_rotation_keeps_the_secret_before_for_as_long_as_was_asked(ledger: Ledger) -> None:
    ledger.keep(HOOK)

    made = ledger.rotate(HOOK.id, "new", now_ms=0, until_ms=10)

    assert made is not None
    assert (made.secrets_at(9), made.secrets_at(10)) == (["new", HOOK.secret], ["new"])
    assert ledger.webhook(HOOK.id) == made


def test_a_rotation_asked_for_again_leaves_the_receivers_own_secret(ledger: Ledger) -> None:
    ledger.keep(HOOK)

    for now_ms, secret in enumerate(["lost", "came"]):
        made = ledger.rotate(HOOK.id, secret, now_ms=now_ms, until_ms=now_ms + 10)

    assert made is not None
    assert made.secrets_at(5) == ["came", "lost", HOOK.secret]


def test_of_secrets_so_many_hold_and_the_oldest_go_first(ledger: Ledger) -> None:
    ledger.keep(HOOK)

    for number in range(9):
        made = ledger.rotate(HOOK.id, f"{number}", now_ms=0, until_ms=10)

    assert made is not None
    assert made.secrets_at(0) == ["8", "7", "6"]


def test_a_secret_that_others_have_seen_is_over_at_once_with_all_before(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.keep(HOOK)
    ledger.rotate(HOOK.id, "seen", now_ms=0, until_ms=10)

    made = ledger.rotate(HOOK.id, "new", now_ms=1, until_ms=1)
    ledger.close()

    assert made is not None
    assert (made.secrets_at(1), made.old_secrets) == (["new"], [])
    assert HOOK.secret.encode() not in (tmp_path / FILE).read_bytes()


def test_secrets_that_are_over_are_forgotten(ledger: Ledger) -> None:
    ledger.keep(HOOK)
    ledger.rotate(HOOK.id, "new", now_ms=0, until_ms=10)

    ledger.forget_old_secrets(HOOK.id, 10)

    kept = ledger.webhook(HOOK.id)
    assert kept is not None
    assert (kept.secret, kept.old_secrets) == ("new", [])


def test_what_is_kept_of_a_webhook_does_not_bring_a_secret_back(ledger: Ledger) -> None:
    ledger.keep(HOOK)
    ledger.rotate(HOOK.id, NEW, now_ms=0, until_ms=0)

    ledger.keep(structs.replace(HOOK, state=State.ACTIVE))  # as it was read before the rotation

    kept = ledger.webhook(HOOK.id)
    assert kept is not None
    assert kept.secret == NEW


def test_a_webhook_that_was_removed_meanwhile_gets_no_secret(ledger: Ledger) -> None:
    ledger.remove(HOOK.id)

    assert ledger.rotate(HOOK.id, "new", now_ms=0, until_ms=1) is None


def test_a_file_of_the_version_before_is_taken_up_with_its_webhooks(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / FILE)
    for table in _TABLES:
        old.execute(table)
    values = (HOOK.id, HOOK.url, HOOK.secret, '["*"]', None, 0, 0, 0, "active", None)
    old.execute("INSERT INTO webhooks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    old.execute("PRAGMA user_version = 1")
    old.commit()
    old.close()

    ledger = Ledger(tmp_path)

    assert ledger.webhooks() == [HOOK]
    assert Ledger(tmp_path).webhooks() == [HOOK]


# --- addresses


@pytest.mark.parametrize(
    "url",
    [
        "https://erp.example/sheaf?x=1",
        "http://erp.example",
        "https://1.1.1.1:8443/",
        "http://192.168.1.5/hook",
        "https://10.0.0.1",
        "https://[fd12:3456::1]/hook",
    ],
)
def test_an_address_that_the_operator_types_is_taken(url: str) -> None:
    assert code_of(url) is None


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "webhook.url"),
        ("erp.example", "webhook.url"),
        ("ftp://erp.example/", "webhook.url"),
        ("file:///etc/passwd", "webhook.url"),
        ("https://", "webhook.url"),
        ("https://user:secret@erp.example/", "webhook.url"),
        ("https://erp.example/#part", "webhook.url"),
        ("https://erp.example:99999/", "webhook.url"),
        ("https://erp.example/\r\nX: y", "webhook.url"),
        ("https://erp.example/a b", "webhook.url"),
        ("https://ërp.example/", "webhook.url"),
        ("https://[::1", "webhook.url"),
        ("https://erp.example/" + "a" * 500, "webhook.url"),
        ("http://1.1.1.1/hook", "webhook.url"),
        ("https://127.0.0.1/hook", "peer.inside"),
        ("http://[::1]/hook", "peer.inside"),
        ("https://169.254.169.254/latest", "peer.inside"),
        ("https://0.0.0.0/", "peer.inside"),
    ],
)
def test_an_address_to_which_nothing_can_be_sent_is_refused(url: str, code: str) -> None:
    assert code_of(url) == code


def test_this_computer_is_sent_to_with_leave_alone() -> None:
    assert code_of("http://127.0.0.1:9/hook", Reach.LOOPBACK) is None


def test_without_tls_nothing_leaves_the_network_whatever_a_name_resolves_to() -> None:
    both = ["93.184.216.34", "192.168.1.5"]

    assert reached(both, Reach.PRIVATE, is_open=True) == ["192.168.1.5"]
    assert reached(both, Reach.PRIVATE, is_open=False) == both
    with pytest.raises(Refusal, match=r"webhook\.url"):
        reached(["93.184.216.34"], Reach.PRIVATE, is_open=True)


def test_a_name_that_resolves_to_this_computer_leads_nowhere() -> None:
    with pytest.raises(Refusal, match=r"peer\.inside"):
        reached(["127.0.0.1"], Reach.PRIVATE, is_open=False)


# --- tries


def test_a_delivery_is_tried_for_three_days_and_then_given_up() -> None:
    hook, each, now_ms = HOOK, delivery(1, next_ms=0), 0
    waits = []
    while each.stage is Stage.PENDING:
        hook, each = after_try(hook, each, BROKEN, now_ms=now_ms, chance=0)
        waits.append(each.next_ms - now_ms)
        now_ms = each.next_ms

    assert (each.stage, each.tries, each.result) == (Stage.DEAD, MOST_TRIES, BROKEN.words)
    assert waits[:2] == [5_000, 300_000]
    assert 3 * DAY_MS < now_ms < 4 * DAY_MS
    assert hook.state is State.ACTIVE


def test_waits_are_up_to_a_tenth_longer_by_chance() -> None:
    _, each = after_try(HOOK, delivery(1), BROKEN, now_ms=0, chance=255)

    assert 5_000 < each.next_ms <= 5_500


def test_days_of_nothing_but_failures_end_a_webhook() -> None:
    hook, _ = after_try(HOOK, delivery(1), BROKEN, now_ms=7, chance=0)
    before, _ = after_try(hook, delivery(2), BROKEN, now_ms=6 + FAILED_AFTER_MS, chance=0)
    after, _ = after_try(hook, delivery(2), BROKEN, now_ms=7 + FAILED_AFTER_MS, chance=0)

    assert (before.state, after.state) == (State.ACTIVE, State.FAILED)


def test_one_success_ends_the_count_of_days() -> None:
    hook, _ = after_try(HOOK, delivery(1), BROKEN, now_ms=7, chance=0)

    hook, each = after_try(hook, delivery(2), TAKEN, now_ms=8, chance=0)

    assert (hook.failing_since_ms, each.stage) == (None, Stage.DELIVERED)


def test_a_receiver_that_says_gone_is_believed_at_once() -> None:
    hook, _ = after_try(HOOK, delivery(1), Outcome("HTTP 410 Gone", 410), now_ms=0, chance=0)

    assert hook.state is State.GONE


@pytest.mark.parametrize("status", [199, 301, 302, 307, 400, 429, 500, 999])
def test_what_is_no_success_is_tried_again(status: int) -> None:
    _, each = after_try(HOOK, delivery(1), Outcome("", status), now_ms=0, chance=0)

    assert each.stage is Stage.PENDING


# --- the file


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    made = Ledger(tmp_path)
    made.begin(b"store", 0)
    made.keep(HOOK)
    return made


def test_the_file_is_for_its_owner_alone(ledger: Ledger, tmp_path: Path) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}

    assert set(modes) >= {FILE}
    assert set(modes.values()) == {0o600}
    assert HOOK.secret.encode() in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_what_was_noted_is_there_when_the_file_is_opened_again(
    ledger: Ledger, tmp_path: Path
) -> None:
    hook = structs.replace(HOOK, cursor=7, failing_since_ms=5)
    ledger.note(hook, [delivery(7, tries=2, result="HTTP 500")])
    ledger.close()

    again = Ledger(tmp_path)

    assert again.webhooks() == [hook]
    assert again.next(HOOK.id) == delivery(7, tries=2, result="HTTP 500")


def test_of_old_deliveries_so_many_are_kept(ledger: Ledger) -> None:
    done = [delivery(n, stage=Stage.DELIVERED) for n in range(KEPT_DELIVERED + 50)]
    dead = [delivery(10_000 + n, stage=Stage.DEAD) for n in range(KEPT_DEAD + 50)]

    ledger.note(HOOK, done + dead)

    kept = ledger.deliveries(HOOK.id, 5_000)
    assert [each.arrival for each in kept if each.stage is Stage.DELIVERED][-1] == 50
    assert [each.arrival for each in kept if each.stage is Stage.DEAD][-1] == 10_050


def test_in_another_store_webhooks_begin_behind_what_is_there(ledger: Ledger) -> None:
    ledger.note(structs.replace(HOOK, cursor=90), [delivery(90)])

    ledger.begin(b"restored", 40)

    assert [each.cursor for each in ledger.webhooks()] == [40]
    assert ledger.next(HOOK.id) is None


def test_a_webhook_that_was_removed_meanwhile_stays_removed(ledger: Ledger) -> None:
    ledger.remove(HOOK.id)

    ledger.note(HOOK, [delivery(1)])

    assert ledger.webhooks() == []
    assert ledger.deliveries(HOOK.id, 10) == []


def test_a_file_of_a_newer_node_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    ledger._connection.execute("PRAGMA user_version = 99")
    ledger.close()

    with pytest.raises(Refusal, match=r"webhook\.file"):
        Ledger(tmp_path)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"not a database" * 100)

    with pytest.raises(Refusal, match=r"webhook\.file"):
        Ledger(tmp_path)
