"""`python -m celeriac` is the command `celeriac`."""

from celeriac.cli import main

if __name__ == "__main__":
    main()
