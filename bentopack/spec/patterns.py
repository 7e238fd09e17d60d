"""What names of images and packages look like: one pattern each, for the bentofile and for the Dockerfile.

They leave no room for a second instruction, option or command.
"""

from __future__ import annotations

# https://github.com/distribution/reference: host[:port]/path[:tag][@digest], without its length limits.
IMAGE_REGISTRY = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?"
_PATH = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
IMAGE_REPOSITORY = rf"{_PATH}(?:/{_PATH})*"
IMAGE_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
IMAGE_DIGEST = r"sha256:[0-9a-f]{64}"
IMAGE_REFERENCE = rf"(?:{IMAGE_REGISTRY}/)?{IMAGE_REPOSITORY}(?::{IMAGE_TAG})?(?:@{IMAGE_DIGEST})?"

# Debian policy 5.6.7 with apt's architecture, version (which may hold a *) or release: libgl1:arm64, curl=7.88*,
# x/stable; and apk's ways to ask for a version: curl=8.14.1-r2, curl=~8. A name does not end with '-', which means
# "remove" to apt.
SYSTEM_PACKAGE = (
    r"[A-Za-z0-9](?:[A-Za-z0-9+._-]*[A-Za-z0-9+])?(?::[a-z0-9-]+)?"
    r"(?:[=~]{1,2}[A-Za-z0-9.+:~_*-]+|/[a-z0-9-]+)?"
)
