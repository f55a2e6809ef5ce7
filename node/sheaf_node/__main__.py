"""`python -m sheaf_node` is the command `sheaf`."""

from sheaf_node.cli import main

if __name__ == "__main__":
    main()
