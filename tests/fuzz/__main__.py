"""Fuzz the protocol: `python -m tests.fuzz --seconds 60 [--target codec] [--keep] [--json]`.

Each target runs under libFuzzer in a process of its own and from its kept corpus. A line for each
says how often it ran, what it reached and what it found; the exit status is 1 where it found
anything. The inputs of findings are printed as hex: `--input HEX --target NAME` runs one again.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.cover import keep, kept
from tests.fuzz.target import ROOT, TARGETS, load

_STATE = re.compile(r"^#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+)", re.MULTILINE)
LIMITS = ("-rss_limit_mb=1024", "-malloc_limit_mb=256", "-timeout=5", "-max_len=4096")
"""A link buffers two megabytes at most; an input that takes seconds or a gigabyte is a finding."""


@dataclass
class Report:
    """What became of one target."""

    target: str
    executions: int = 0
    edges: int = 0
    features: int = 0
    findings: list[str] = field(default_factory=list)
    """Inputs in hex."""
    fault: str = ""
    """The end of the output where the process died without an input to blame."""

    @property
    def is_clean(self) -> bool:
        """Whether it ran and found nothing."""
        return self.executions > 0 and not self.findings and not self.fault


def main() -> int:
    """Print a line for each target; return 1 where anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--target", choices=TARGETS, action="append", help="only this one")
    parser.add_argument("--keep", action="store_true", help="write the corpus anew")
    parser.add_argument("--input", help="run this input, in hex, and nothing else")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    args = parser.parse_args()
    names = args.target or TARGETS
    if args.input is not None:
        for name in names:
            load(name).run(bytes.fromhex(args.input))
        return 0
    if find_spec("atheris") is None:
        parser.error("expected atheris: `.venv/bin/pip install -e '.[fuzz]'` brings it")
    reports = []
    for name in names:
        reports.append(fuzz(name, args.seconds, is_kept=args.keep))
        if not args.json:
            show(reports[-1])
    if args.json:
        print(json.dumps([asdict(report) for report in reports]))
    return 0 if all(report.is_clean for report in reports) else 1


def fuzz(name: str, seconds: int, *, is_kept: bool) -> Report:
    """Run one target for a while."""
    with tempfile.TemporaryDirectory() as made:
        folder, found, tokens = Path(made) / "corpus", Path(made) / "found", Path(made) / "tokens"
        folder.mkdir()
        found.mkdir()
        target = load(name)
        for number, data in enumerate([*target.seeds(), *(p.read_bytes() for p in kept(name))]):
            (folder / str(number)).write_bytes(data)
        tokens.write_text("".join(f'"{_escaped(token)}"\n' for token in target.TOKENS))
        command = [sys.executable, "-m", "tests.fuzz.worker", name, str(folder), *LIMITS]
        command += [f"-max_total_time={seconds}", f"-dict={tokens}", f"-artifact_prefix={found}/"]
        ran = subprocess.run(
            command, cwd=ROOT, capture_output=True, check=False, timeout=seconds + 120
        )
        report = read(name, ran.stderr.decode(errors="replace") + ran.stdout.decode(), found)
        if ran.returncode and not report.findings:
            report.fault = ran.stderr.decode(errors="replace")[-2_000:]
        if is_kept and report.is_clean:
            keep(name, (path.read_bytes() for path in folder.iterdir()))
        return report


def read(name: str, output: str, found: Path) -> Report:
    """Return the report in libFuzzer's output."""
    report = Report(name, findings=[path.read_bytes().hex() for path in sorted(found.iterdir())])
    for state in _STATE.finditer(output):
        report.executions, report.edges, report.features = map(int, state.groups())
    return report


def show(report: Report) -> None:
    """Print a report for people."""
    count = len(report.findings)
    print(
        f"{report.target}: {report.executions} executions, {report.edges} edges, "
        f"{report.features} features, {count or 'no'} finding{'' if count == 1 else 's'}",
        flush=True,
    )
    for data in report.findings:
        print(f"  python -m tests.fuzz --target {report.target} --input {data}")
    if report.fault:
        print(report.fault)


def _escaped(token: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token)


if __name__ == "__main__":
    sys.exit(main())
