# Two stages: the first installs from the hashed locks, the second holds the result and nothing that builds.
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN python -m pip install --no-cache-dir --no-deps --require-hashes -r requirements/build.txt \
    && python -m venv --without-pip /opt/trimtab \
    && uv pip sync --no-cache --python /opt/trimtab/bin/python --require-hashes --compile-bytecode requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY models models
COPY services services
COPY migrations migrations
RUN python -m hatchling build -t wheel -d /tmp/wheel \
    && uv pip install --no-cache --python /opt/trimtab/bin/python --no-deps --compile-bytecode /tmp/wheel/*.whl

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="trimtab" org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 trimtab \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin trimtab \
    && install --directory --owner=10001 --group=10001 --mode=0750 /data
COPY --from=build /opt/trimtab /opt/trimtab

# The root file system may be read-only: code is compiled already, data goes to /data, nothing else is written.
# The container listens on every interface, so it starts only where there is an API key (trimtab keys bootstrap), or
# TRIMTAB_REQUIRE_KEYS=1, or TRIMTAB_ALLOW_UNAUTHENTICATED=1 says that the port is published to trusted callers alone.
ENV PATH=/opt/trimtab/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OPENBLAS_NUM_THREADS=1 \
    TRIMTAB_HOST=0.0.0.0 \
    TRIMTAB_PORT=8000 \
    TRIMTAB_DATA_DIR=/data
WORKDIR /data
VOLUME /data
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as request; request.urlopen(f\"http://127.0.0.1:{os.environ['TRIMTAB_PORT']}/livez\", timeout=2)"]
CMD ["trimtab", "serve"]
