# syntax=docker/dockerfile:1
# A site's image: one worker that serves the client named in FAIRWIND_CLIENT.
# Build in the folder above: docker build -f docker/site.Dockerfile -t fairwind-site .
# For a workload of your own: FROM fairwind-site, then COPY heart.py /srv/fairwind/ (the working folder).

FROM python:3.11-slim-bookworm AS build
# The index of PyTorch's CPU wheels, or empty for pip's default, which on x86-64 brings CUDA.
ARG TORCH_INDEX=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/fairwind
ENV PATH=/opt/fairwind/bin:$PATH
WORKDIR /src
COPY constraints.txt ./
RUN if [ -n "$TORCH_INDEX" ]; then \
        pip install --no-deps --index-url "$TORCH_INDEX" "$(grep '^torch==' constraints.txt)"; \
    fi
COPY pyproject.toml README.md LICENSE celeryconfig.py flowerconfig.py ./
COPY common common
COPY models models
COPY scheduler scheduler
COPY simulation simulation
COPY tasks tasks
RUN pip install -c constraints.txt .

FROM python:3.11-slim-bookworm
COPY --from=build /opt/fairwind /opt/fairwind
RUN useradd --system --uid 10001 --home-dir /var/lib/fairwind --create-home fairwind \
    && mkdir /srv/fairwind
COPY docker/site_health.py /opt/fairwind/site_health.py
USER 10001
# Code lies in a folder that the worker cannot write, the outbox in one that it can.
WORKDIR /srv/fairwind
VOLUME /var/lib/fairwind
ENV PATH=/opt/fairwind/bin:$PATH \
    FAIRWIND_HOME=/var/lib/fairwind \
    OMP_NUM_THREADS=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# Warm shutdown: the training in work is finished first. Give it time: docker stop --time 900.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=20s --start-period=60s --retries=3 \
    CMD ["python", "/opt/fairwind/site_health.py"]
CMD ["celery", "-A", "tasks", "worker"]
