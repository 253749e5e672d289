/** Our own processes, by what they say of themselves. */
import { z } from 'zod';
import type { Answer, Limits } from './probe.ts';

const alive = z.object({ status: z.string(), breakers: z.record(z.string(), z.string()).default({}) });

export async function askProcess(url: string, { signal }: Limits): Promise<Answer> {
  const [livez, readyz] = await Promise.all([
    fetch(new URL('/livez?verbose', url), { signal }),
    fetch(new URL('/readyz', url), { signal }),
  ]);
  const said = alive.safeParse(await livez.json().catch(() => null));
  await readyz.body?.cancel();
  if (!livez.ok || !said.success)
    return {
      health: 'unhealthy',
      detail: `/livez answers ${livez.status}, not as CareForAll does`,
      fix: 'something else listens there: stop it, or give another PORT',
    };
  if (!readyz.ok)
    return { health: 'unhealthy', detail: `alive, not ready (${readyz.status})`, fix: 'see the databases' };
  const open = Object.entries(said.data.breakers)
    .filter(([, state]) => state !== 'closed')
    .map(([name]) => name);
  if (open.length === 0) return { detail: 'alive, ready' };
  return {
    health: 'attention',
    detail: `alive, ready; its calls to ${open.join(', ')} are paused`,
    fix: 'they begin again by themselves once it answers',
  };
}
