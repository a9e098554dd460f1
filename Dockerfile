# The lab in a container: CPU by default, one page on port 7860. It listens for others there, so it wants
# LAB_PASSWORD, LAB_OPEN=annotate, or an owner in its password file (python -m lab users add NAME --access owner):
#   docker build -t alignment-lab . && docker run -p 7860:7860 -e LAB_PASSWORD=… -v lab:/data alignment-lab
# As a Hugging Face Space (sdk: docker, app_port: 7860) set LAB_PASSWORD as a secret; without persistent storage
# /data is part of the container and is lost when that restarts.
FROM python:3.11-slim

# Every pinned package has a wheel, so no compiler is needed; 4-bit bases on the CPU want libgomp.
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1

RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 1000 user && install -d -o user -g user /data /data/lab_home
WORKDIR /home/user/app

# torch first and from PyTorch's own CPU index: PyPI's wheel brings 2 GB of CUDA along.
COPY requirements.txt .
RUN pip install --no-deps --index-url https://download.pytorch.org/whl/cpu "$(grep '^torch==' requirements.txt)" \
    && pip install -r requirements.txt

COPY --chown=user:user . .
RUN python -m compileall -q app.py lab

USER user
ENV HOME=/home/user LAB_HOST=0.0.0.0 LAB_PORT=7860 LAB_HOME=/data/lab_home
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", \
    "import os, urllib.request as u; u.urlopen('http://127.0.0.1:%s/healthz' % os.environ['LAB_PORT'], timeout=4)"]

# A volume over /data may belong to another user: then the lab keeps its home beside its code, and says so.
CMD ["sh", "-c", "mkdir -p \"$LAB_HOME\" 2>/dev/null && [ -w \"$LAB_HOME\" ] || { export LAB_HOME=/home/user/lab_home; \
    echo \"/data cannot be written: using $LAB_HOME, which is lost with the container\" >&2; }; exec python app.py"]
