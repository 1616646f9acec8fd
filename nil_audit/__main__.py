"""``python -m nil_audit`` is the command ``nil-audit``."""

from nil_audit.cli.app import main

if __name__ == "__main__":
    main()
