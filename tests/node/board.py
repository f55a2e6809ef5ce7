"""A co-op whose keys are on several sheets, and the commands on it, run as a manager does."""

import re
import subprocess
from pathlib import Path

from sheaf_node.keyring import read_files
from sheaf_node.keyring.sheet import mark_kept, read_sheets
from sheaf_node.keyring.words import words_of
from sheaf_services.demo.ports import free_ports

from .test_cli_identity import (
    PATIENCE_S,
    REFUSED,
    command,
    done,
    ended,
    shown,
)


def run(*args: object, told: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command as a manager does, in this process: with as much typed, and no terminal."""
    result = ended(*args, told=told)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    given = [str(arg) for arg in args]
    return subprocess.CompletedProcess(given, result.exit_code, result.stdout, result.stderr)


def ran(*args: object, told: str = "") -> str:
    result = run(*args, told=told)
    assert result.returncode == 0, result.stderr
    return result.stdout


def failed(*args: object, code: str, told: str = "") -> str:
    result = run(*args, told=told)
    assert result.returncode == REFUSED, result.stdout + result.stderr
    assert result.stderr.endswith(f"[{code}]\n"), result.stderr
    return result.stderr


def board_home(home: Path, name: str, sheets: int = 3, needed: int = 2) -> Path:
    peer_port, local_port = free_ports(2)
    done(
        *("init", name, "--home", home, "--sheets", sheets, "--needed", needed),
        *("--peer-port", peer_port, "--local-port", local_port),
    )
    return home


def sheets_in(home: Path, folder: Path) -> list[Path]:
    """Print each sheet into a file of its own."""
    folder.mkdir(exist_ok=True)
    files = []
    for number in range(1, shown(home)["sheets"] + 1):
        file = folder / f"sheet-{number}.txt"
        file.write_text(done("identity", "recovery-sheet", "--sheet", number, "--home", home))
        files.append(file)
    return files


def words_on(file: Path, use: str) -> str:
    [sheet] = read_sheets(file.read_text())
    return " ".join(sheet.words[use])


def mark_all(home: Path) -> None:
    """Mark all sheets as kept, as if words had come back."""
    for number in shown(home)["sheets_not_kept"]:
        mark_kept(home, 1, number)


def keep(home: Path, *options: object, wrong: bool = False) -> tuple[int, str]:
    """Confirm sheets, reading each question before it is answered."""
    number, told = 1, ""
    with subprocess.Popen(
        command("identity", "recovery-sheet", "--confirm", *options, "--home", home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        line = ""
        while read := process.stdout.read(1):
            line, told = line + read, told + read
            if begun := re.search(r"Sheet (\d) of \d:\n", line):
                number, line = int(begun[1]), ""
            question = re.search(r"Word (\d+) of the (\w+) key: ", line)
            if question is None:
                continue
            ending = "" if number == 1 else f"-{number}"
            seed = (home / "keys" / f"{question[2]}{ending}.key").read_bytes()
            word = words_of(seed)[int(question[1]) - 1]
            process.stdin.write(f"{'zebra' if wrong and word != 'zebra' else word}\n")
            process.stdin.flush()
            line = ""
        _, errors = process.communicate(timeout=PATIENCE_S)
    return process.returncode, told + errors


def forget(home: Path) -> None:
    mark_all(home)
    done("identity", "recovery-sheet", "--forget", "--home", home)


def files_of(home: Path) -> dict[str, bytes]:
    return dict(read_files(home).files)


def ports() -> list[object]:
    peer_port, local_port = free_ports(2)
    return ["--peer-port", peer_port, "--local-port", local_port]
