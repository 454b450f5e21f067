"""``python -m vireidkit``: the command line."""

from vireidkit.cli import main

if __name__ == "__main__":
    main()
