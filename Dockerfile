# scanwise on a CPU:   docker build -t scanwise .
# with CUDA:           docker build -t scanwise:cuda --build-arg BASE=nvidia/cuda:12.8.1-runtime-ubuntu24.04 --build-arg INDEX= .
# docker run --rm -v "$PWD:/scans" scanwise label /scans/room.ply --text chair,table,wall,floor --out /scans/out
# (a GPU: docker run --gpus all ... scanwise:cuda ...)
ARG BASE=python:3.12-slim
FROM ${BASE}
ARG INDEX=https://download.pytorch.org/whl/cpu
ARG TORCH=torch==2.13.0
RUN if ! command -v pip > /dev/null; then \
      apt-get update && apt-get install -y --no-install-recommends python3 python3-pip python3-venv && rm -rf /var/lib/apt/lists/*; fi
RUN python3 -m venv /opt/scanwise && /opt/scanwise/bin/pip install --no-cache-dir ${TORCH} ${INDEX:+--index-url ${INDEX}}
COPY . /src
RUN /opt/scanwise/bin/pip install --no-cache-dir /src /src/packages/weights && rm -rf /src
RUN useradd --create-home scan && mkdir -p /scans /cache && chown scan /scans /cache
ENV PATH=/opt/scanwise/bin:$PATH SCANWISE_CACHE=/cache
USER scan
WORKDIR /scans
ENTRYPOINT ["scanwise"]
CMD ["--help"]
