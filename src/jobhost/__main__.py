"""`python -m jobhost` is the command `jobhost`."""

from jobhost.cli.main import main

if __name__ == "__main__":
    main()
