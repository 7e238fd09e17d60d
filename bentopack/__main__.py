"""``python -m bentopack``: the command line, where its script is not on PATH."""

from bentopack.cli import main

main()
