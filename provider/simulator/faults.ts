import { z } from 'zod';
import { FAULTS, OPERATIONS } from './dials.ts';
import type { CHANCE_FAULTS, Dials, Fault, Operation } from './dials.ts';

/** What a fault is aimed at: one call, or an event that the call caused. */
export type Call = { readonly operation: Operation; readonly donationId: string | null };

const shotSchema = z.strictObject({
  operation: z.enum(OPERATIONS),
  fault: z.enum(FAULTS),
  times: z.int().min(1).max(1_000_000).default(1),
  /** Only calls about this donation. */
  donationId: z.string().optional(),
  /** Of the faults `latency` and `webhookDelay`. */
  delayMs: z.int().min(0).max(600_000).default(1_000),
});

type Shot = z.output<typeof shotSchema>;
type ChanceFault = (typeof CHANCE_FAULTS)[number];

export type Faults = {
  /** Throws a ZodError for a fault that does not exist. */
  arm(shot: unknown): void;
  disarm(): void;
  armed(): readonly Shot[];
  fired(): Readonly<Record<Fault, number>>;
  /** Whether it happens to this call, now; asking spends the shot and counts, so ask only where it then happens. */
  strikes(fault: ChanceFault, call: Call): boolean;
  /** Milliseconds to wait, 0 mostly. */
  latencyMs(call: Call): number;
  webhookDelayMs(call: Call): number;
  /** From the same seeded sequence. */
  between(min: number, max: number): number;
};

export function createFaults(seed: number, dials: () => Dials): Faults {
  const random = mulberry32(seed);
  const counts = Object.fromEntries(FAULTS.map((fault) => [fault, 0])) as Record<Fault, number>;
  let shots: Shot[] = [];

  const takeShot = (fault: Fault, call: Call): Shot | null => {
    const shot = shots.find(
      (candidate) =>
        candidate.fault === fault &&
        candidate.operation === call.operation &&
        (candidate.donationId === undefined || candidate.donationId === call.donationId),
    );
    if (shot === undefined) return null;
    shot.times -= 1;
    shots = shots.filter((candidate) => candidate.times > 0);
    counts[fault] += 1;
    return shot;
  };
  const between = (min: number, max: number): number => Math.floor(min + random() * (max - min + 1));
  const wait = (fault: 'latency' | 'webhookDelay', call: Call, span: Dials['latencyMs']): number => {
    const shot = takeShot(fault, call);
    if (shot !== null) return shot.delayMs;
    if (span.max === 0) return 0;
    counts[fault] += 1;
    return between(span.min, span.max);
  };

  return {
    arm: (shot) => {
      shots.push(shotSchema.parse(shot));
    },
    disarm: () => {
      shots = [];
    },
    armed: () => shots,
    fired: () => ({ ...counts }),
    strikes: (fault, call) => {
      if (takeShot(fault, call) !== null) return true;
      const chance = dials()[fault];
      if (chance === 0 || random() >= chance) return false;
      counts[fault] += 1;
      return true;
    },
    latencyMs: (call) => wait('latency', call, dials().latencyMs),
    webhookDelayMs: (call) => wait('webhookDelay', call, dials().webhookDelayMs),
    between,
  };
}

/** A small seeded generator: runs of the same seed and the same order of calls are the same. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
