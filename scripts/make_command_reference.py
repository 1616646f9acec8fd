"""Write docs/commands.md from the commands themselves; ``--check`` only says whether it is in step."""

import html
import subprocess
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "docs" / "commands.md"


def reference() -> str:
    """The reference of every command and option, as Markdown, by typer's own generator."""
    command = [sys.executable, "-m", "typer", "nil_audit.cli.app", "utils", "docs", "--name", "nil-audit"]
    done = subprocess.run([*command, "--title", "Commands"], capture_output=True, text=True, check=True)
    lines = [line.rstrip() for line in html.unescape(done.stdout).splitlines()]
    return "\n".join(lines).strip() + "\n\nMade by `make docs`; do not edit.\n"


def main() -> None:
    """Write the reference, or compare it: exit code 1 where it is stale."""
    made = reference()
    if "--check" in sys.argv[1:]:
        if not TARGET.is_file() or TARGET.read_text(encoding="utf-8") != made:
            sys.exit("docs/commands.md is stale; run 'make docs'.")
        return
    TARGET.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
