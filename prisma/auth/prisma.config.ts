import { defineConfig } from 'prisma/config';

// The database's URL is given to the client and to platform/migrate.ts when they run; the CLI only generates.
export default defineConfig({ schema: './schema.prisma', migrations: { path: './migrations' } });
