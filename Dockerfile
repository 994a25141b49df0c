FROM python:3.12-slim AS build
WORKDIR /build
COPY requirements.lock pyproject.toml README.md ./
COPY app app
COPY migrations migrations
RUN python -m venv /opt/chatfold \
    && /opt/chatfold/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
    && /opt/chatfold/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.12-slim
RUN useradd --system --create-home --home-dir /var/lib/chatfold chatfold
COPY --from=build /opt/chatfold /opt/chatfold
USER chatfold
VOLUME /var/lib/chatfold
# Beyond loopback the service refuses to start without CHATFOLD_AUTH=jwt or api_key.
ENV PATH=/opt/chatfold/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    CHATFOLD_HOST=0.0.0.0 \
    CHATFOLD_PORT=8000 \
    CHATFOLD_STORE=sqlite:////var/lib/chatfold/chatfold.db
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"CHATFOLD_PORT\"]}/readyz', timeout=2)"]
CMD ["chatfold", "serve"]
