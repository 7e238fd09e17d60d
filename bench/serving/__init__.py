"""The serving runtime beside its peers: see bench/README.md."""
