"""`monitord` and `python -m monitord`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; return the exit code."""
    if sys.argv[1:] == ["--version"]:  # asked for by scripts, often: no need to load anything
        from monitord import __version__

        print(f"monitord {__version__}")  # noqa: T201
        return 0
    from monitord.cli import execute

    return execute(sys.argv[1:])


if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]  # `-m` puts the current folder there, in which others may have laid modules
    raise SystemExit(main())
