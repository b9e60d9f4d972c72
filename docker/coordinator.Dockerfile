# syntax=docker/dockerfile:1
# The coordinator's image: its worker, beat, Flower and the command line.
# Build in the folder above: docker build -f docker/coordinator.Dockerfile -t fairwind-coordinator .

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
RUN useradd --system --uid 10001 --home-dir /var/lib/fairwind --create-home fairwind
USER 10001
# A folder that holds nothing named like one of our packages: Celery looks there first.
WORKDIR /var/lib/fairwind
VOLUME /var/lib/fairwind
ENV PATH=/opt/fairwind/bin:$PATH \
    FAIRWIND_HOME=/var/lib/fairwind \
    FLOWER_CONF=/opt/fairwind/lib/python3.11/site-packages/flowerconfig.py \
    OMP_NUM_THREADS=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# Warm shutdown: the task in work is finished first.
STOPSIGNAL SIGTERM
# Settings, Redis, signal and ledger in order: status 0. A warning (a silent site) is no illness.
HEALTHCHECK --interval=60s --timeout=20s --start-period=60s --retries=3 \
    CMD ["fairwind", "check"]
CMD ["celery", "-A", "tasks", "worker", "-Q", "coordinator,aggregation"]
