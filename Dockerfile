# One image for every service: the command says which. Debian, because Temporal's native worker needs glibc.
FROM node:24.21.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# No package has to run anything: Node is the image's own, and so is everything that is built below.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY activities ./activities
COPY api ./api
COPY cli ./cli
COPY domain ./domain
COPY events ./events
COPY launch ./launch
COPY platform ./platform
COPY prisma ./prisma
COPY provider ./provider
COPY workers ./workers
COPY workflows ./workflows
RUN node prisma/generate.ts
RUN node workers/bundle.ts

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 OPS_PORT=8080
WORKDIR /app
# The simulator's ledger is the one thing that a process of ours writes to disk.
RUN mkdir /data && chown node:node /data
COPY --from=build /app ./
USER node
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 \
  CMD ["node", "--eval", "fetch('http://127.0.0.1:8080/livez').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "api/main.ts"]
