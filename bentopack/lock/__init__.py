"""From what the user requires to exactly which files are installed: resolve, lock, and tell when a lock is stale."""

LOCK_NAME = "bentofile.lock"
