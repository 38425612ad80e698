# Two images of one base: `production` runs every process of Registrar, `sandbox` the Cognito
# emulator of docker-compose.yml. Node runs the TypeScript files as they are; only the workflows are
# bundled ahead, which would take every start two seconds and 200 MB.
FROM node:24.21.0-bookworm-slim AS base
# Temporal's SDK verifies TLS by the system's authorities, and a slim image has none.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
ENV NODE_ENV=production
# A registration leaves short-lived objects in plenty: larger young generations saved 8 % of the CPU in one run.
ENV NODE_OPTIONS=--max-semi-space-size=32
WORKDIR /registrar
COPY package.json package-lock.json .npmrc ./
COPY dev/node/package.json dev/node/
COPY dev/no-scarf/package.json dev/no-scarf/

FROM base AS sandbox
RUN npm ci --include=dev
COPY . .
RUN install -d -o node -g node /state
ENV REGISTRAR_HOME=/state
USER 1000:1000
CMD ["node", "run.mjs", "dev/cognito/main.ts"]

FROM base AS production
RUN npm ci --omit=dev
COPY run.mjs LICENSE ./
COPY activities activities
COPY cli cli
COPY src src
COPY worker worker
COPY workflows workflows
RUN node run.mjs cli/build.ts
# The image's `node`, as a number: Kubernetes checks `runAsNonRoot` by numbers only.
USER 1000:1000
EXPOSE 3000
# Exec form, and run.mjs imports the process instead of starting one: SIGTERM reaches it.
CMD ["node", "run.mjs", "src/main.ts"]
