"""``python -m bentopack``: the command line, where its script is not on PATH, and in images."""

from importlib.util import find_spec

if find_spec("bentopack.cli"):
    from bentopack.cli import main
else:  # the runtime alone, as a Bento carries it
    from bentopack.serve.command import main

if __name__ == "__main__":  # multiprocessing imports it again
    main()
