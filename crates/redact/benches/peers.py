#!/usr/bin/env python3
"""Times other redactors and secret scanners on one text, beside this crate, in the same run.

Installs detect-secrets, Presidio's pattern recognisers and CredSweeper into a virtual environment and
secretlint through npm into a temporary folder. What does not install or takes too long is skipped,
loudly. Run by hand: python3 crates/redact/benches/peers.py [seconds per tool]
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

LIMIT_SEC = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
TEXT_BYTES = 300_000
ROOT = pathlib.Path(__file__).resolve().parents[3]

LINES = [
    '    let request = client.get(&url).header("accept", "application/json").send().await?;',
    "2026-03-04T12:33:01.204Z INFO [worker-7] http.server: request finished status=200 duration_ms=41",
    "    // Keeps the index in step with the table; see the note on compaction above.",
    '    if self.entries.len() > self.limit { return Err(Error::Full { limit: self.limit }); }',
]


def text():
    lines, size, number = [], 0, 0
    while size < TEXT_BYTES:
        number += 1
        line = LINES[number % len(LINES)]
        if number % 100 == 0:
            line = "export GITHUB_TOKEN=" + "ghp_" + "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW0xYz"
        lines.append(line)
        size += len(line) + 1
    return "\n".join(lines)


PROGRAMS = {
    "detect-secrets": (
        ["detect-secrets"],
        "from detect_secrets.core.scan import scan_line\n"
        "from detect_secrets.settings import default_settings\n"
        "def run(t):\n    with default_settings():\n        [list(scan_line(l)) for l in t.splitlines()]\n",
    ),
    "presidio (patterns)": (
        ["presidio-analyzer"],
        "from presidio_analyzer.predefined_recognizers import CreditCardRecognizer, IbanRecognizer, EmailRecognizer\n"
        "R=[CreditCardRecognizer(),IbanRecognizer(),EmailRecognizer()]\n"
        "def run(t):\n    [r.analyze(l,r.supported_entities,None) for l in t.splitlines() for r in R]\n",
    ),
    "credsweeper": (
        ["credsweeper"],
        "from credsweeper.app import CredSweeper\n"
        "from credsweeper.file_handler.string_content_provider import StringContentProvider\n"
        "S=CredSweeper(ml_threshold=0)\n"
        "def run(t):\n    S.file_scan(StringContentProvider(t.splitlines()))\n",
    ),
}

TIMER = "\nimport sys,time\nt=open(sys.argv[1]).read()\nrun(t[:2000])\ns=time.perf_counter();run(t);print(time.perf_counter()-s)\n"


def ours(path):
    """Megabytes a second of the crate's own bench on its messages."""
    command = ["cargo", "bench", "-q", "-p", "redact", "--bench", "redaction"]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    line = next(line for line in output.splitlines() if line.startswith("messages of"))
    return float(line.rsplit(":", 1)[1].split()[0])


def python_tool(folder, packages, program, path):
    environment = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True, capture_output=True, timeout=LIMIT_SEC)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True, capture_output=True, timeout=LIMIT_SEC * 4)
    output = subprocess.run([python, "-c", program + TIMER, path], check=True, capture_output=True, text=True, timeout=LIMIT_SEC)
    return float(output.stdout.split()[-1])


def secretlint(folder, path):
    packages = ["secretlint", "@secretlint/secretlint-rule-preset-recommend"]
    subprocess.run(["npm", "install", "--silent", "--prefix", folder, *packages], check=True, capture_output=True, timeout=LIMIT_SEC * 4)
    settings = folder / ".secretlintrc.json"
    settings.write_text(json.dumps({"rules": [{"id": "@secretlint/secretlint-rule-preset-recommend"}]}))
    command = [folder / "node_modules/.bin/secretlint", "--secretlintrc", settings]
    empty = folder / "empty.txt"
    empty.write_text("nothing\n")
    times = []
    for file in (empty, path):
        start = time.perf_counter()
        subprocess.run([*command, file], cwd=folder, capture_output=True, timeout=LIMIT_SEC)
        times.append(time.perf_counter() - start)
    return max(times[1] - times[0], 1e-3)


def main():
    speed_of_ours = None
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        path = folder / "text.txt"
        path.write_text(text())
        size = os.path.getsize(path) / 1e6
        try:
            speed_of_ours = ours(path)
            print(f"redact: {speed_of_ours:.0f} MB/s")
        except (subprocess.SubprocessError, OSError, StopIteration) as error:
            print(f"SKIPPED redact: {error}")
        tools = {tool: (lambda at, p=packages, s=source: python_tool(at, p, s, path)) for tool, (packages, source) in PROGRAMS.items()}
        tools["secretlint"] = lambda at: secretlint(at, path)
        for tool, measure in tools.items():
            own = folder / tool.split()[0]
            own.mkdir()
            try:
                speed = size / measure(own)
            except (subprocess.SubprocessError, OSError, ValueError, IndexError) as error:
                detail = getattr(error, "stderr", None) or error
                print(f"SKIPPED {tool}: {str(detail)[-200:]}")
                continue
            ratio = f", redact is {speed_of_ours / speed:.0f} times as fast" if speed_of_ours else ""
            print(f"{tool}: {speed:.3f} MB/s{ratio}")


if __name__ == "__main__":
    main()
