"""Runs every benchmark, one after the other, and sums up what is promised."""

from __future__ import annotations

import json
import subprocess
import sys

from . import measure

NAMES = ("accept", "http_accept", "end_to_end", "otp_latency", "lanes", "memory")


def main() -> None:
    failed = []
    for name in NAMES:
        print(f"== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *sys.argv[1:]]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    print("\nAll promises: median of the rounds\n")
    for name in NAMES:
        if name in failed:
            print(f"{name:<12} did not run")
            continue
        for kept in json.loads((measure.RESULTS / f"{name}.json").read_text())["promises"]:
            met = "" if not kept["wanted"] else "met" if kept["met"] else "MISSED"
            text = f"{name:<12} {kept['name']:<52} {kept['median']:>8.2f} {kept['wanted']:>8} {met}"
            print(text.rstrip())
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
