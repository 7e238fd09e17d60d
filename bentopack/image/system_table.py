"""System packages that are asked for and are not there, as data: the releases that lack them, and what to take instead.

The columns of Debian were compared with the lists of its mirrors on 2026-11-23; those of Ubuntu and of other package
managers are as their own pages have them: https://packages.ubuntu.com, https://pkgs.alpinelinux.org and
https://packages.redhat.com, looked up on the same day.
"""

from __future__ import annotations

from collections.abc import Mapping

_UBUNTU = ("ubuntu22.04", "ubuntu24.04")
_NEW = ("debian13", "ubuntu24.04")
_APT = ("debian12", "debian13", *_UBUNTU)

GONE: Mapping[str, tuple[tuple[str, ...], str]] = {
    "libgl1-mesa-glx": (_NEW, "libgl1"),
    "libegl1-mesa": (_NEW, "libegl1"),
    "libgles2-mesa": (_NEW, "libgles2"),
    "libssl1.1": (_APT, "libssl3"),
    "libffi6": (_APT, "libffi8"),
    "libffi7": (_APT, "libffi8"),
    "libjpeg8": (("debian12", "debian13"), "libjpeg62-turbo"),
    "libjpeg-turbo8": (("debian12", "debian13"), "libjpeg62-turbo"),
    "libjpeg62-turbo": (_UBUNTU, "libjpeg-turbo8"),
    "libtiff5": (("debian12", *_NEW), "libtiff6"),
    "libtiff6": (("ubuntu22.04",), "libtiff5"),
    "libwebp6": (_APT, "libwebp7"),
    "libpng12-0": (_APT, "libpng16-16"),
    "libgfortran3": (_APT, "libgfortran5"),
    "libgfortran4": (_APT, "libgfortran5"),
    "libasound2": (("ubuntu24.04",), "libasound2t64"),
    "libaio1": (_NEW, "libaio1t64"),
    "libreadline7": (_APT, "libreadline8"),
    "libtinfo5": (_NEW, "libtinfo6"),
    "libncurses5": (_NEW, "libncurses6"),
    "libgdk-pixbuf2.0-0": (_NEW, "libgdk-pixbuf-2.0-0"),
    "libatlas-base-dev": (("debian13",), "libopenblas-dev"),
    "libopenblas-base": (("debian12", *_NEW), "libopenblas0"),
    "libtbb2": (("debian12", *_NEW), "libtbb12"),
    "libdc1394-22-dev": (_APT, "libdc1394-dev"),
    "libav-tools": (_APT, "ffmpeg"),
    "libtesseract4": (("debian12", *_NEW), "libtesseract5"),
    "libjemalloc1": (_APT, "libjemalloc2"),
    "libturbojpeg": (("debian12", "debian13"), "libturbojpeg0"),
    "freeglut3": (_NEW, "libglut3.12"),
    "python": (_APT, "python3"),
    "python-dev": (_APT, "python3-dev"),
    "python-pip": (_APT, "python3-pip"),
    "python3-distutils": (_NEW, "python3-setuptools"),
    "mysql-client": (("debian12", "debian13"), "default-mysql-client"),
    "libmysqlclient-dev": (("debian12", "debian13"), "default-libmysqlclient-dev"),
    "netcat": (("debian12", "debian13", "ubuntu24.04"), "netcat-openbsd"),
    "software-properties-common": (("debian13",), "a file in /etc/apt/sources.list.d, by docker.setup_script"),
    "openjdk-8-jre-headless": (("debian12", "debian13"), "default-jre-headless"),
    "openjdk-11-jre-headless": (("debian12", "debian13"), "default-jre-headless"),
    "openjdk-17-jre-headless": (("debian13",), "openjdk-21-jre-headless"),
    "openjdk-11-jdk": (("debian12", "debian13"), "default-jdk"),
    "chromium-browser": (("debian12", "debian13"), "chromium"),
    "chromium-chromedriver": (("debian12", "debian13"), "chromium-driver"),
    "wkhtmltopdf": (("debian13",), "weasyprint"),
    "gcc-9": (("debian12", "debian13"), "gcc"),
    "gcc-10": (("debian12", "debian13"), "gcc"),
    "gcc-11": (("debian13",), "gcc"),
    "g++-9": (("debian12", "debian13"), "g++"),
    "ttf-mscorefonts-installer": (_APT, "fonts-liberation"),
    "youtube-dl": (_NEW, "yt-dlp"),
    "qt5-default": (_APT, "qtbase5-dev"),
    "nvidia-cuda-toolkit": (("debian12", "debian13"), "docker.cuda_version"),
}
"""The releases that lack a name of apt's (or have several packages for it, and apt takes none), and its successor."""

OTHER_NAMES: Mapping[str, Mapping[str, str]] = {
    "libgomp1": {"apk": "libgomp", "microdnf": "libgomp"},
    "libgl1": {"apk": "mesa-gl", "microdnf": "mesa-libGL"},
    "libgl1-mesa-glx": {"apk": "mesa-gl", "microdnf": "mesa-libGL"},
    "libegl1": {"apk": "mesa-egl", "microdnf": "mesa-libEGL"},
    "libglib2.0-0": {"apk": "glib", "microdnf": "glib2"},
    "build-essential": {"apk": "build-base", "microdnf": "gcc, gcc-c++ and make"},
    "g++": {"microdnf": "gcc-c++"},
    "libsndfile1": {"apk": "libsndfile", "microdnf": "libsndfile"},
    "libpq5": {"apk": "libpq", "microdnf": "libpq"},
    "libpq-dev": {"apk": "libpq-dev", "microdnf": "libpq-devel"},
    "libsm6": {"apk": "libsm", "microdnf": "libSM"},
    "libxext6": {"apk": "libxext", "microdnf": "libXext"},
    "libxrender1": {"apk": "libxrender", "microdnf": "libXrender"},
    "libssl-dev": {"apk": "openssl-dev", "microdnf": "openssl-devel"},
    "libffi-dev": {"microdnf": "libffi-devel"},
    "zlib1g-dev": {"apk": "zlib-dev", "microdnf": "zlib-devel"},
    "libmagic1": {"apk": "libmagic", "microdnf": "file-libs"},
    "libopenblas0": {"apk": "openblas", "microdnf": "openblas"},
    "libjpeg62-turbo": {"apk": "libjpeg-turbo", "microdnf": "libjpeg-turbo"},
    "libpng16-16": {"apk": "libpng", "microdnf": "libpng"},
    "libtiff6": {"apk": "tiff", "microdnf": "libtiff"},
    "libwebp7": {"apk": "libwebp", "microdnf": "libwebp"},
    "procps": {"apk": "procps-ng", "microdnf": "procps-ng"},
    "python3-dev": {"microdnf": "python3-devel"},
}
"""What other package managers call what apt calls so."""
