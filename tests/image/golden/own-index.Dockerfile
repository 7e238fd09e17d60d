# Made by bentopack, to be built from the Bento's folder: docker build -f env/docker/Dockerfile .
# The cpu base, and why:
# - docker.distro is debian: the official Python image on Debian 12, slim.

# What both the building and the running of packages may need.
FROM python:3.11-slim-bookworm AS base

# An empty virtual environment, and beside it what is to fill it: none of that is left in the image.
FROM base AS tools
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python3 -m venv pip && python3 -m venv --without-pip /opt/venv

# The packages.
FROM tools AS builder
COPY ["env/python/cpu/", "python/"]

# Bytecode is compiled once, here: nobody may write it later. It is keyed by the source's hash, not by its time, so the
# same packages give the same bytes. A package may carry files for other Pythons, which do not compile; its own tests
# are left as they are, since nobody imports them.
RUN --mount=type=cache,target=/root/.cache/pip \
    pip/bin/pip --python /opt/venv/bin/python install --no-compile --require-hashes \
        --requirement python/requirements.lock \
 && { /opt/venv/bin/python -m compileall -qq -j 0 -x '/tests?/' --invalidation-mode unchecked-hash /opt/venv/lib || true; } \
 && python3 -c "import os; [os.utime(os.path.join(top, each), (315532800, 315532800), follow_symlinks=False) \
for top, folders, files in os.walk('/opt/venv') for each in (*folders, *files, '')]"

# The runtime is a stage and a layer of its own: it changes with bentopack, not with the packages.
FROM base AS runtime
WORKDIR /build
COPY ["env/runtime/bentopack-0.1.0-py3-none-any.whl", "runtime/"]
# A wheel of pure Python is its files; an installer would add what tells of the moment.
RUN python3 -m zipfile -e runtime/bentopack-0.1.0-py3-none-any.whl /opt/runtime \
 && python3 -m compileall -q --invalidation-mode unchecked-hash \
        -s /opt/runtime -p /opt/venv/lib/python3.11/site-packages/ /opt/runtime \
 && python3 -c "import os; [os.utime(os.path.join(top, each), (315532800, 315532800), follow_symlinks=False) \
for top, folders, files in os.walk('/opt/runtime') for each in (*folders, *files, '')]"

# The image itself: it needs neither pip nor a compiler. What changes least comes first.
FROM base
ENV PATH="/opt/venv/bin:$PATH"
WORKDIR /bento/src
COPY --from=builder /opt/venv /opt/venv
COPY --from=runtime /opt/runtime /opt/venv/lib/python3.11/site-packages/
COPY ["models/iris/1.0/", "/bento/models/iris/1.0/"]
COPY ["bento.yaml", "/bento/bento.yaml"]
COPY ["src/", "/bento/src/"]

ENV PYTHONUNBUFFERED="1" \
    PYTHONDONTWRITEBYTECODE="1" \
    HOME="/tmp"
LABEL org.opencontainers.image.title="iris"
USER 10001:0
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s \
    --start-period=120s --retries=3 \
    CMD ["/opt/venv/bin/python", "-m", "bentopack.serve.healthcheck"]
ENTRYPOINT ["/opt/venv/bin/python", "-m", "bentopack", "serve", "/bento"]
