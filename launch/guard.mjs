/**
 * Runs one program that is not ours (a database, a broker) and ends it as soon as the process that asked for it is gone,
 * however that happened: the IPC channel closes even after kill -9.
 *
 * argv[2]: JSON { command, args, cwd?, env?, uid?, gid?, stopSignal, stopLimitMs }
 */
import { spawn } from 'node:child_process';

const { command, args, cwd, env, uid, gid, stopSignal, stopLimitMs } = JSON.parse(process.argv[2] ?? '{}');

const child = spawn(command, args, {
  cwd,
  uid,
  gid,
  env: { ...process.env, ...env },
  stdio: ['ignore', 'inherit', 'inherit'],
});

let stopping = false;
const stop = () => {
  if (stopping) return;
  stopping = true;
  child.kill(stopSignal);
  setTimeout(() => child.kill('SIGKILL'), stopLimitMs);
};

process.on('disconnect', stop);
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, stop);

child.on('spawn', () => process.connected && process.send?.({ pid: child.pid }));
child.on('error', (error) => {
  console.error(`cannot run ${String(command)}: ${error.message}`);
  process.exit(127);
});
child.on('exit', (code, signal) => {
  if (signal === 'SIGKILL' && process.platform !== 'win32') {
    // What it started itself is in the guard's own process group, and would stay behind.
    process.kill(-process.pid, 'SIGKILL');
  }
  process.exit(code ?? 1);
});
