"""From a Bento to its container image: choose a base, plan the layers, render, build.

``plan_image`` and ``render_dockerfile`` are pure: they read no file of the Bento and talk to no engine. Only
``build_image`` does.
"""

from __future__ import annotations
