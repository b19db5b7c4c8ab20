"""`python -m jobhost` is the command `jobhost`."""

import sys

from jobhost.hosting.early import note_stops


def main() -> None:
    """Entry point of the console script. The imports of the commands take long: a node that is
    asked to stop meanwhile must not miss it."""
    note_stops(sys.argv[1:])
    from jobhost.cli.main import main as run  # noqa: PLC0415 - see above

    run()


if __name__ == "__main__":
    main()
