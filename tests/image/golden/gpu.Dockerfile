# Made by bentopack, to be built from the Bento's folder: docker build -f env/docker/Dockerfile.gpu .
# The gpu base, and why:
# - what the packages need of CUDA is not known, so the base has all of it.
# - docker.cuda_version is 12.4: 12.4.1 is its last point release, the one that NVIDIA keeps.
# - its runtime image with cuDNN is made of ubuntu22.04; there is none of debian.
# - the host needs driver 525.60.13 or newer.

# The base has no Python 3.11: a build of it that runs on any glibc comes from here.
FROM python:3.11-slim-bookworm AS interpreter
WORKDIR /build
RUN echo uv==0.13.9 \
        --hash=sha256:d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19 \
        --hash=sha256:2c45530751517d6c3bbc69a19473f6effe47cce047bede01ffd8af7ea7b36b25 \
        --hash=sha256:5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe \
        --hash=sha256:ecb6028d79dc96fbeafffe5c8af62a7099487ebc05a701e76714eebcffd06375 > uv.txt \
 && pip install --no-cache-dir --require-hashes --requirement uv.txt \
 && UV_SYSTEM_CERTS=1 uv python install --no-bin --install-dir /opt/python 3.11 \
 && ln -s /opt/python/cpython-3.11.* /opt/python/current

# What both the building and the running of packages may need.
FROM nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04 AS base
COPY --from=interpreter /opt/python /opt/python
# No versions: a Debian mirror keeps only the newest of each release.
# hadolint ignore=DL3008
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
    ca-certificates \
 && rm -rf /var/lib/apt/lists/*

# An empty virtual environment, and beside it what is to fill it: none of that is left in the image.
FROM base AS tools
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# A pip that is there saves making one.
RUN /opt/python/current/bin/python3 -m venv --without-pip /opt/venv \
 && echo uv==0.13.9 \
        --hash=sha256:d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19 \
        --hash=sha256:2c45530751517d6c3bbc69a19473f6effe47cce047bede01ffd8af7ea7b36b25 \
        --hash=sha256:5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe \
        --hash=sha256:ecb6028d79dc96fbeafffe5c8af62a7099487ebc05a701e76714eebcffd06375 > uv.txt \
 && if /opt/python/current/bin/python3 -c "import pip" 2>/dev/null; then python=/opt/python/current/bin/python3; \
    else /opt/python/current/bin/python3 -m venv pip && python=pip/bin/python; fi \
 && $python -m pip install --no-cache-dir --no-compile --target tools --require-hashes --requirement uv.txt

# The packages.
FROM tools AS builder
COPY ["env/python/gpu/", "python/"]

# Bytecode is compiled once, here: nobody may write it later. It is keyed by the source's hash, not by its time, so the
# same packages give the same bytes. A package may carry files for other Pythons, which do not compile; its own tests
# are left as they are, since nobody imports them.
# Certificates are those of the base; several indexes are no risk where every file's hash is known.
# hadolint ignore=DL3042
RUN --mount=type=cache,target=/root/.cache/uv \
    UV_SYSTEM_CERTS=1 tools/bin/uv pip install --python /opt/venv/bin/python \
        --link-mode copy --index-strategy unsafe-best-match \
        --require-hashes --requirement python/requirements.lock \
 && rm -f /opt/venv/.lock \
 && { /opt/venv/bin/python -m compileall -qq -j 0 -x '/tests?/' --invalidation-mode unchecked-hash /opt/venv/lib || true; } \
 && /opt/python/current/bin/python3 -c "import os; [os.utime(os.path.join(top, each), (315532800, 315532800), follow_symlinks=False) \
for top, folders, files in os.walk('/opt/venv') for each in (*folders, *files, '')]"

# The runtime is a stage and a layer of its own: it changes with bentopack, not with the packages.
FROM base AS runtime
WORKDIR /build
COPY ["env/runtime/bentopack-0.1.0-py3-none-any.whl", "runtime/"]
# A wheel of pure Python is its files; an installer would add what tells of the moment.
RUN /opt/python/current/bin/python3 -m zipfile -e runtime/bentopack-0.1.0-py3-none-any.whl /opt/runtime \
 && /opt/python/current/bin/python3 -m compileall -q --invalidation-mode unchecked-hash \
        -s /opt/runtime -p /opt/venv/lib/python3.11/site-packages/ /opt/runtime \
 && /opt/python/current/bin/python3 -c "import os; [os.utime(os.path.join(top, each), (315532800, 315532800), follow_symlinks=False) \
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
    HOME="/tmp" \
    NVIDIA_VISIBLE_DEVICES="all" \
    NVIDIA_DRIVER_CAPABILITIES="compute,utility"
LABEL org.opencontainers.image.title="iris"
USER 10001:0
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s \
    --start-period=120s --retries=3 \
    CMD ["/opt/venv/bin/python", "-m", "bentopack.serve.healthcheck"]
ENTRYPOINT ["/opt/venv/bin/python", "-m", "bentopack", "serve", "/bento"]
