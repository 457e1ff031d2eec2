# Any image with Python 3.11 or newer, pip and venv. For reproducible builds, name it by its digest.
ARG PYTHON_IMAGE=python:3.14-slim

# hadolint ignore=DL3006
FROM ${PYTHON_IMAGE} AS build
WORKDIR /source
COPY constraints.txt ./
RUN python3 -m venv /build \
 && /build/bin/pip install --no-cache-dir --constraint constraints.txt hatchling
COPY . .
# Compiled here, because nothing can be written at run time. The bytecode ignores file times: copying may change them.
RUN /build/bin/python -m hatchling build --target wheel --directory /build/wheel \
 && python3 -m venv --without-pip /opt/apio-simulator \
 && /build/bin/pip --python /opt/apio-simulator install --no-cache-dir --no-compile --constraint constraints.txt \
      "$(echo /build/wheel/*.whl)[fast]" \
 && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/apio-simulator/lib
# The only fixture in the folder, unless a folder is mounted there.
RUN mkdir /fixtures \
 && fixture="$(/opt/apio-simulator/bin/python -I -c \
      'from simulator.app import shipped; print(shipped("fixtures/default.yaml"))')" \
 && ln -s "$fixture" /fixtures/shipped.yaml

# hadolint ignore=DL3006
FROM ${PYTHON_IMAGE}
# Python's images lack the bytecode of the standard library.
RUN library="$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
 && python3 -m compileall -q -x 'site-packages|/test/' --invalidation-mode unchecked-hash "$library"
COPY --from=build /opt/apio-simulator /opt/apio-simulator
COPY --from=build /fixtures /fixtures
ARG VERSION=0.2.0
LABEL org.opencontainers.image.title="apio-simulator" \
      org.opencontainers.image.description="A stand-in for two services of the APIO telephony provisioning API, driven by its OpenAPI contract" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.source="https://github.com/apio-simulator/apio-simulator"
ENV PATH="/opt/apio-simulator/bin:${PATH}" \
    PYTHONDONTWRITEBYTECODE=1 \
    APIO_SIMULATOR_HOST=0.0.0.0 \
    APIO_SIMULATOR_FIXTURES=/fixtures
USER 10001:10001
EXPOSE 4080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --start-interval=0.1s --retries=3 \
  CMD ["apio-simulator", "wait", "--timeout", "2"]
ENTRYPOINT ["apio-simulator"]
CMD ["serve"]
