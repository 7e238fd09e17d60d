"""Measure the serving runtime beside its peers; ``python -m bench.serving`` from the project does the same."""

import runpy
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])
runpy.run_module("bench.serving", run_name="__main__")
