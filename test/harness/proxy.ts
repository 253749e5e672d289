/** A TCP link that a test can break in every way a network does, without touching the server behind it. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

const LOOPBACK = '127.0.0.1';

export type Target = { readonly host: string; readonly port: number };

export type Proxy = AsyncDisposable & {
  readonly host: string;
  readonly port: number;
  /** `host:port` of this end. */
  readonly address: string;
  /** Down: connections are reset, new ones are refused. */
  cut(): Promise<void>;
  /** Silent: connections stay open, nothing passes, new ones are accepted and not answered. */
  blackHole(): void;
  /** Requests pass and take effect, answers do not come back. */
  loseAnswers(): void;
  /** Every piece of data takes this much longer, each way. */
  delay(ms: number): void;
  /** As new. Bytes that a black hole held back flow on; lost answers stay lost, so those connections are reset. */
  heal(): Promise<void>;
  /** Resets the open connections once; new ones work. */
  resetConnections(): void;
  connections(): number;
};

type Mode = 'open' | 'cut' | 'black-hole' | 'answers-lost';

export async function startProxy(target: Target): Promise<Proxy> {
  let mode: Mode = 'open';
  let delayMs = 0;
  let wake: (() => void)[] = [];
  const pairs = new Set<Pair>();

  const change = (next: Mode): void => {
    mode = next;
    const waiting = wake;
    wake = [];
    for (const resume of waiting) resume();
  };
  const passable = async (): Promise<void> => {
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    while (mode === 'black-hole') await new Promise<void>((resolve) => wake.push(resolve));
  };

  const pump = (from: Socket, to: Socket, isAnswer: boolean): void => {
    const write = async (chunk: Buffer): Promise<void> => {
      await passable();
      if (isAnswer && mode === 'answers-lost') return;
      if (!to.destroyed && !to.write(chunk)) await Promise.race([once(to, 'drain'), once(to, 'close')]);
    };
    // One piece at a time, so that a delay that changes never reorders bytes.
    from.on('data', (chunk: Buffer) => {
      from.pause();
      write(chunk).then(
        () => from.resume(),
        () => from.destroy(),
      );
    });
    from.on('end', () => {
      passable().then(
        () => to.end(),
        () => to.destroy(),
      );
    });
  };

  const accept = (client: Socket): void => {
    const pair: Pair = { client, server: undefined };
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      client.destroy();
      pair.server?.destroy();
    };
    client.on('error', end);
    client.on('close', end);
    client.pause();
    const join = async (): Promise<void> => {
      await passable();
      if (client.destroyed) return;
      const server = connect({ ...target, allowHalfOpen: true, noDelay: true });
      pair.server = server;
      server.on('error', () => reset(pair));
      server.on('close', end);
      pump(client, server, false);
      pump(server, client, true);
      client.resume();
    };
    join().catch(end);
  };

  const listen = async (port: number): Promise<Server> => {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, accept);
    server.listen({ host: LOOPBACK, port });
    await once(server, 'listening');
    return server;
  };
  let server: Server | undefined = await listen(0);
  const { port } = server.address() as AddressInfo;

  const resetConnections = (): void => {
    for (const pair of pairs) reset(pair);
    pairs.clear();
  };
  const stopListening = async (): Promise<void> => {
    const listening = server;
    server = undefined;
    if (listening === undefined) return;
    const closed = once(listening, 'close');
    listening.close();
    resetConnections();
    await closed;
  };

  return {
    host: LOOPBACK,
    port,
    address: `${LOOPBACK}:${port}`,
    async cut() {
      change('cut');
      await stopListening();
    },
    blackHole: () => change('black-hole'),
    loseAnswers: () => change('answers-lost'),
    delay(ms) {
      delayMs = ms;
    },
    async heal() {
      const before = mode;
      delayMs = 0;
      if (before === 'answers-lost') resetConnections();
      change('open');
      server ??= await listen(port);
    },
    resetConnections,
    connections: () => pairs.size,
    async [Symbol.asyncDispose]() {
      change('cut');
      await stopListening();
    },
  };
}

type Pair = { readonly client: Socket; server: Socket | undefined };

function reset(pair: Pair): void {
  pair.client.resetAndDestroy();
  pair.server?.resetAndDestroy();
}

/** The same URL by way of the proxy. */
export function through(url: string, proxy: Target): string {
  const rerouted = new URL(url);
  rerouted.hostname = proxy.host;
  rerouted.port = String(proxy.port);
  return rerouted.href;
}

/** Where a URL points; the port must be in it or be the scheme's usual one. */
export function targetOf(url: string, usualPort: number): Target {
  const { hostname, port } = new URL(url);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? usualPort : Number(port) };
}
