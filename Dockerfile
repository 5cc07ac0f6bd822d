# mockforge serve, for the mockforge.yaml in /mocks:
#
#   docker build -t mockforge .
#   docker run --rm -p 8000:8000 -v ./examples/quickstart:/mocks:ro mockforge
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY mockforge_asgi mockforge_asgi
COPY mockforge_plugin mockforge_plugin
COPY plugins_builtin plugins_builtin
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.13-slim
COPY --from=build /wheels /wheels
# hadolint ignore=DL3013
RUN wheel=$(echo /wheels/*.whl) && pip install --no-cache-dir "${wheel}[serve,http,faker,auth]" && rm -r /wheels \
    && useradd --create-home --uid 10001 mockforge \
    && mkdir -p /home/mockforge/.cache && chown mockforge:mockforge /home/mockforge/.cache
USER 10001:10001
WORKDIR /mocks
# Compiled plugins are kept here, so that the next container need not compile them again.
VOLUME ["/home/mockforge/.cache"]
EXPOSE 8000
ENTRYPOINT ["mockforge"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000", "mockforge.yaml"]
