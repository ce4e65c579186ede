"""``python -m otcore`` is the command line."""

from otcore.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
