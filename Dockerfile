# labeltune in a container: not root, a read-only root file system, what it keeps under /state.
# docs/how-to/docker.md says how to run it.
FROM python:3.13-slim AS build
WORKDIR /source
RUN python -m venv /opt/labeltune
COPY requirements/demo.txt requirements/
RUN /opt/labeltune/bin/python -m pip install --no-cache-dir --no-deps --require-hashes -r requirements/demo.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/labeltune/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
COPY --from=build /opt/labeltune /opt/labeltune
# Whoever runs it (`--user`) may write here: the files in the working folder are to belong to them.
RUN mkdir -m 1777 /state /work
ENV PATH=/opt/labeltune/bin:$PATH \
    HOME=/state \
    LABELTUNE_HOME=/state/labeltune \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
VOLUME /state
WORKDIR /work
ENTRYPOINT ["labeltune"]
CMD ["--help"]
