"""Write docker/requirements-hashes.txt: what the images install, by hash."""  # noqa: INP001 - a script, in no package

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parent.parent
LOCK = PROJECT / "docker" / "requirements-hashes.txt"
"""The hashes are of every file that PyPI has of a version: other processors and Pythons, too."""

NOT_HASHED = "torch"
"""Its wheels for CPUs come from an index of its own, and PyPI's are other files of that version."""

_HEAD = """\
# What the images install, but for PyTorch; written by `make lock`, from constraints.txt.
# pip install --require-hashes --no-deps -r docker/requirements-hashes.txt
"""


def pins() -> dict[str, str]:
    """Return the lines of constraints.txt by the names of their packages."""
    lines = (PROJECT / "constraints.txt").read_text("utf-8").splitlines()
    return {canonicalize_name(line.partition("==")[0]): line for line in lines if "==" in line}


def needed(name: str = "fairwind") -> set[str]:
    """Return what a package needs where it runs, on any machine, without extras, and itself."""
    found, ahead = set[str](), [name]
    while ahead:
        current = ahead.pop()
        found.add(current)
        try:
            wanted = [Requirement(text) for text in requires(current) or ()]
        except PackageNotFoundError:  # this Python needs it not, as its pin's marker says
            continue
        names = {
            canonicalize_name(each.name)
            for each in wanted
            if each.marker is None or "extra" not in str(each.marker)
        }
        ahead += names & pins().keys() - found
    return found


def main() -> None:
    """Ask PyPI for the hashes, and write the file."""
    lines = [pins()[name] for name in sorted(needed() - {"fairwind", NOT_HASHED})]
    with TemporaryDirectory() as folder:
        wanted = Path(folder) / "pins.txt"
        wanted.write_text("\n".join(lines), "utf-8")
        done = subprocess.run(  # noqa: S603 - a command of our own
            [
                str(Path(sys.executable).parent / "uv"), "pip", "compile", str(wanted), "--quiet",
                "--no-deps", "--universal", "--generate-hashes", "--no-annotate", "--no-header",
            ],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    LOCK.write_text(_HEAD + done.stdout, "utf-8")
    count = len(re.findall("==", done.stdout))
    sys.stdout.write(f"Wrote {LOCK.relative_to(PROJECT)}: {count} packages\n")


if __name__ == "__main__":
    main()
