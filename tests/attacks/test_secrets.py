"""Attacks on secrets: each of two real nodes is looked for on disk, in logs, and on the wire."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest
from tests.attacks.eavesdropping import Tap, forms, seen

from sheaf_node.cli.client import NodeClient
from sheaf_node.keyring import Passphrase, read_files
from sheaf_node.keyring.words import words_of
from sheaf_protocol.errors import Refusal
from sheaf_protocol.invitation import read_invitation
from sheaf_services.demo.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WORDS = "canary of the seven hills sings in coal"
PATIENCE_S = 240.0
LIST = "ref,item,quantity,unit,max_price,currency\nr1,EWE-NUTS,4,bag,9.50,GBP\n"


class Village:
    """Two homes; Hill's keys are under a passphrase, and Mill reaches Hill through a tap."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.hill, self.mill = folder / "hill", folder / "mill"
        peer, *rest = free_ports(4)
        self.ports = {"hill": (peer, rest[0]), "mill": (rest[1], rest[2])}
        self.tap = stack.enter_context(Tap(peer))
        (folder / "words").write_text(f"{WORDS}\n")
        self.env = os.environ | {"SHEAF_PASSPHRASE_FILE": str(folder / "words")}

    def done(self, *args: object) -> str:
        command = [sys.executable, "-m", "sheaf_node", *map(str, args)]
        ended = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env=self.env,
            timeout=PATIENCE_S,
        )
        assert ended.returncode == 0, ended.stderr
        with self.log("commands").open("a") as log:
            log.write(ended.stderr)
        return ended.stdout

    def log(self, name: str) -> Path:
        return self.folder / "logs" / name

    def serve(self, home: Path) -> NodeClient:
        with (home / "sheaf.toml").open("a") as settings:
            settings.write('\n[log]\nlevel = "debug"\n')
        command = [sys.executable, "-m", "sheaf_node", "serve", "--home", str(home)]
        with self.log(home.name).open("wb") as log:
            process = self._stack.enter_context(
                subprocess.Popen(command, stdout=log, stderr=log, env=self.env)
            )
        self._stack.callback(process.terminate)
        client = NodeClient(home)
        until(lambda: answers(client))
        return client


def answers(client: NodeClient) -> bool:
    try:
        client.get("/api/v1/status")
    except (Refusal, OSError):
        return False
    return True


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    (tmp_path / "logs").mkdir()
    with ExitStack() as stack:
        yield Village(tmp_path, stack)


def found(village: Village) -> bytes:
    """Make Hill's home and have Mill join by an invitation; return the invitation's secret."""
    peer, local = village.ports["hill"]
    at = ("--peer-port", peer, "--local-port", local, "--home", village.hill)
    village.done("init", "Hill", *at)
    settings, name = village.hill / "sheaf.toml", f"127.0.0.1:{village.tap.port}"
    # Hill has to know the name under which Mill dials it, which is the tap's.
    text = settings.read_text()
    names = re.sub(r"public_names = \[(.*)\]", rf'public_names = [\1, "{name}"]', text)
    settings.write_text(names)
    words = village.folder / "words"
    village.done("identity", "passphrase", "--new-file", words, "--home", village.hill)
    village.serve(village.hill)
    invite = ("invite", "create", "--address", f"http://{name}", "--json", "--home", village.hill)
    made = json.loads(village.done(*invite))
    peer, local = village.ports["mill"]
    options = ("--name", "Mill", "--yes", "--allow-loopback", "--home", village.mill)
    ports = ("--peer-port", peer, "--local-port", local)
    village.done("join", made["code"], name, *options, *ports)
    return bytes(read_invitation(made["link"]).secret)


def trade(village: Village) -> None:
    """Let the two link and say something, back up and upgrade, and be asked wrongly."""
    mill = village.serve(village.mill)
    file = village.folder / "list.csv"
    file.write_text(LIST)
    until(lambda: bool(mill.get("/api/v1/status")["peers"]))
    village.done("import", "purchases", file, "--home", village.hill)
    until(lambda: any(f["entries"] for f in mill.get("/api/v1/status")["federations"]))
    village.done("backup", "create", "--out", village.folder / "backup", "--home", village.hill)
    village.done("upgrade", "check", "--home", village.hill)
    village.done("doctor", "--home", village.mill, "--json")


def asked(village: Village, token: str) -> bytes:
    """Return all that the local API of Hill answers, also to questions that make it write a log."""
    port, heard = village.ports["hill"][1], bytearray()
    right = {"Authorization": f"Bearer {token}"}
    paths = ["/api/v1/status", "/api/v1/log", "/api/v1/openapi.json", "/metrics", "/healthz"]
    paths += [f"/api/v1/status?token={token}", f"/api/v1/{token}", "/api/v1/charter"]
    for headers in (right, {"Authorization": f"Basic {token}"}, {"Cookie": f"sheaf={token}"}):
        for path in paths:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            # Not what it repeats of the question: an address that has a token in it.
            heard += str(answer.headers).encode()
            heard += b"" if token in path else answer.read()
            connection.close()
    with socket.create_connection(("127.0.0.1", port), timeout=30) as garbage:
        garbage.sendall(f"GET /{token} HTTP/9.9\r\nAuthorization Bearer {token}\r\n\r\n".encode())
        garbage.recv(65_536)
    return bytes(heard)


def left_on(folder: Path, but: set[Path]) -> dict[str, bytes]:
    """Return what lies in a folder, by name, but for the files that are the place of a secret."""
    left = {}
    for path in folder.rglob("*"):
        # A running node replaces files by way of others, which may be gone by now.
        with suppress(FileNotFoundError):
            if path.is_file() and path not in but:
                left[str(path.relative_to(folder))] = path.read_bytes()
    return left


def longest_word(answer: object) -> str:
    """Return what is longest of letters and digits in an answer: the secret that it gives out."""
    found = max(re.findall(r"[\w-]+", json.dumps(answer)), key=len)
    assert len(found) >= 40, answer
    return str(found)


def secrets_of(home: Path) -> dict[str, bytes]:
    passphrase = Passphrase(WORDS)
    files = read_files(home, passphrase)
    return {f"{home.name} {name}": files.secret(name) for name in files.secrets}


def test_no_secret_of_two_nodes_is_on_disk_in_a_log_or_on_the_wire(village: Village) -> None:
    # Read all that two nodes leave: files, logs, what passes between them, what they answer.
    invitation = found(village)
    trade(village)
    token = (village.hill / "api.token").read_text().strip()
    told = json.loads(
        village.done(
            *("token", "create", "shop", "--scope", "read", "--json", "--home", village.hill)
        )
    )
    given = longest_word(told)
    signing_in = longest_word(json.loads(village.done("open", "--json", "--home", village.hill)))
    answers_ = asked(village, token)

    seeds = {**secrets_of(village.hill), **secrets_of(village.mill)}
    texts = {"passphrase": WORDS, "token": token, "program's token": given, "link": signing_in}
    texts |= {
        f"words of {name}": " ".join(words_of(seed)[:6])
        for name, seed in seeds.items()
        if len(seed) == 32
    }
    sought = {name: forms(seed) for name, seed in {**seeds, "invitation": invitation}.items()}
    sought |= {name: [text.encode()] for name, text in texts.items()}
    # Hill's are under its passphrase; of Mill, who has none, they are in its folder of keys alone.
    places = {village.folder / "words", village.hill / "api.token"}
    places |= set((village.mill / "keys").iterdir())
    held = left_on(village.folder, places)
    held |= {"the wire": bytes(village.tap.heard), "the local API": answers_}

    assert len(village.tap.heard) > 10_000
    assert {"logs/hill", "logs/mill", "backup", "hill/sheaf.db", "mill/sheaf.db"} <= set(held)
    assert seen(held, sought) == []


def test_the_search_would_find_a_secret_in_each_form() -> None:
    # A search that finds nothing has to be one that finds something.
    seed = bytes(range(200, 232))
    held = {str(number): b"{" + form + b"}" for number, form in enumerate(forms(seed))}

    assert seen(held, {"seed": forms(seed)}) == [f"seed in {place}" for place in held]
    assert seen({"log": b"a line"}, {"seed": forms(seed)}) == []
