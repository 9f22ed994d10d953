"""`python -m trainyard sync DIRECTORY`: has a server take the journals that it has not taken yet."""
from __future__ import annotations

import argparse
import glob
import os
import sys

from .journal import Journal, send


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m trainyard", description="Tools for training programs.")
    commands = parser.add_subparsers(dest="command", required=True)
    sync = commands.add_parser("sync", help="has a server take the journals of runs that it has not taken yet")
    sync.add_argument("directory", nargs="?", default="trainyard-journal")
    sync.add_argument("--url", default=os.environ.get("TRAINYARD_URL", ""), help="of the server; TRAINYARD_URL")
    given = parser.parse_args()
    if given.url == "":
        parser.error("which server? Give --url, or set TRAINYARD_URL")
    paths = sorted(glob.glob(os.path.join(glob.escape(given.directory), "*.jsonl")))
    token = os.environ.get("TRAINYARD_TOKEN", "")
    env = {"MLFLOW_TRACKING_TOKEN": token} if token else {}
    is_done = True
    for path in paths:
        is_whole = send(Journal(path), given.url, lambda told: print(told, file=sys.stderr), env=env)
        print(f"{path}: {'sent' if is_whole else 'not sent yet'}")
        is_done = is_done and is_whole
    return 0 if is_done else 1


if __name__ == "__main__":
    sys.exit(main())
