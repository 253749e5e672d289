import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { ensureDatabases, migrate, SERVICES, type Service } from '../platform/migrate.ts';
import { neutralEnvironment } from './options.ts';
import { ROOT } from './paths.ts';
import { describeEnd } from './running.ts';
import type { Step } from './screen.ts';

/** Generates the Prisma clients that are missing or stale; the script knows which. */
export async function generatePrismaClients(step: Step): Promise<void> {
  const child = spawn(process.execPath, [join(ROOT, 'prisma', 'generate.ts')], {
    cwd: ROOT,
    env: neutralEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      step.note(line);
    });
  }
  const how = await new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(describeEnd(code, signal)));
  });
  if (how !== 'exit code 0') throw new Error(`prisma/generate.ts: ${how}\n${lines.slice(-15).join('\n')}`);
}

/** Every service's role, database and migrations; returns the databases' URLs and how many migrations were applied. */
export async function prepareDatabases(options: {
  readonly adminUrl: string;
  readonly prefix: string;
  readonly passwords: Readonly<Record<string, string>>;
  readonly step: Step;
}): Promise<{ urls: Record<Service, string>; applied: number }> {
  const urls = await ensureDatabases({
    adminUrl: options.adminUrl,
    prefix: options.prefix,
    passwords: passwordsOf(options.passwords),
  });
  let applied = 0;
  for (const service of SERVICES) {
    options.step.note(service);
    applied += (await migrate({ url: urls[service], service })).applied.length;
  }
  return { urls, applied };
}

function passwordsOf(passwords: Readonly<Record<string, string>>): Record<Service, string> {
  const read = (service: Service): string => {
    const password = passwords[service];
    if (password === undefined) throw new Error(`there is no database password of ${service}`);
    return password;
  };
  return Object.fromEntries(SERVICES.map((service) => [service, read(service)])) as Record<Service, string>;
}
