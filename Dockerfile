# The lab in a container, one page on port 7860; docs/hosting.md has the commands. It listens for others there, so it wants
# LAB_PASSWORD, LAB_OPEN=annotate, or an owner in its password file (python -m lab users add NAME --access owner).
#   docker build -t alignment-lab .                          (CPU, about 2 GB)
#   docker build -t alignment-lab --build-arg TORCH=cuda .   (NVIDIA GPUs, several GB more)
FROM python:3.11.14-slim-bookworm AS build

ARG TORCH=cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /build
COPY requirements.txt .
# Every pinned package has a wheel, so no compiler is needed. torch comes first and, for a CPU, from PyTorch's own CPU index:
# PyPI's wheel brings 2 GB of CUDA along.
RUN python -m venv /opt/lab \
    && if [ "$TORCH" = cpu ]; then \
         /opt/lab/bin/pip install --no-deps --index-url https://download.pytorch.org/whl/cpu "$(grep '^torch==' requirements.txt)"; \
       elif [ "$TORCH" != cuda ]; then echo "TORCH is cpu or cuda, not $TORCH" >&2; exit 1; fi \
    && /opt/lab/bin/pip install -r requirements.txt \
    && /opt/lab/bin/pip uninstall --yes pip

FROM python:3.11.14-slim-bookworm

# 4-bit bases on the CPU want libgomp. Whoever runs the image may be any uid: what is written lies under /data.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
    && pip uninstall --yes pip setuptools wheel \
    && useradd --uid 1000 --create-home user && install -d -m 0777 /data
COPY --from=build /opt/lab /opt/lab
WORKDIR /app
COPY . .
RUN /opt/lab/bin/python -m compileall -q app.py lab

ENV PATH=/opt/lab/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    LAB_HOST=0.0.0.0 LAB_PORT=7860 LAB_HOME=/data/lab_home
USER 1000
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", \
    "import os, urllib.request as u; u.urlopen('http://127.0.0.1:%s/healthz' % os.environ['LAB_PORT'], timeout=4)"]
CMD ["./image-start"]
