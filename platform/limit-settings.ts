/** The setting `LIMITS`: how much one client may ask for. docs/decisions/0022 has the reasons for the figures. */
import { z } from 'zod';
import type { DeclineRule } from '../domain/card-testing.ts';
import { isNetwork } from './addresses.ts';

const count = z.number().int().positive().max(1_000_000);
const seconds = z.number().int().positive().max(86_400);

/** So many requests in each window of so many seconds. */
const quota = (defaults: { readonly requests: number; readonly seconds: number }) =>
  z
    .strictObject({ requests: count.default(defaults.requests), seconds: seconds.default(defaults.seconds) })
    .prefault({});

/** One kind of request: per address (of IPv6: per /64), and per account. */
const quotas = (address: number, account: number) =>
  z
    .strictObject({
      address: quota({ requests: address, seconds: 60 }),
      account: quota({ requests: account, seconds: 60 }),
    })
    .prefault({});

const share = z.number().min(0).max(1);
/** How many rows are read for one donation at most. */
const tried = count.max(2_000);

const declineRule = (defaults: { readonly declinedCards: number; readonly declinedShare: number }) => ({
  declinedCards: count.default(defaults.declinedCards),
  declinedShare: share.default(defaults.declinedShare),
});
const cardRule = (defaults: DeclineRule & { readonly triedCards: number }) =>
  z.strictObject({ ...declineRule(defaults), triedCards: tried.default(defaults.triedCards) }).prefault({});

/** Of new donations: what a card tester does and people do not. */
const cards = z
  .strictObject({
    windowSeconds: z.number().int().positive().max(21_600).default(600),
    address: cardRule({ declinedCards: 10, declinedShare: 0.5, triedCards: 1_000 }),
    account: cardRule({ declinedCards: 5, declinedShare: 0, triedCards: 20 }),
    /** From here on a campaign is under attack: it stays open, and its donors' addresses have the next rule. */
    campaign: z.strictObject(declineRule({ declinedCards: 50, declinedShare: 0.5 })).prefault({}),
    addressUnderAttack: cardRule({ declinedCards: 3, declinedShare: 0.5, triedCards: 1_000 }),
  })
  .prefault({});

const milliseconds = z.number().int().positive().max(600_000);

/** Of one process. */
const connections = z
  .strictObject({
    total: count.default(10_000),
    /** Proxies and our own networks aside. */
    perAddress: count.default(500),
    /** From its first byte on. */
    headersTimeoutMs: milliseconds.default(10_000),
    requestTimeoutMs: milliseconds.default(30_000),
  })
  .refine(({ headersTimeoutMs, requestTimeoutMs }) => headersTimeoutMs <= requestTimeoutMs, {
    path: ['headersTimeoutMs'],
    error: 'is more than requestTimeoutMs',
  })
  .prefault({});

/** @param isProduction elsewhere, whoever measures or tests sends everything from the machine itself */
export function limitSettings(isProduction: boolean) {
  return z.strictObject({
    /** `POST /donate`. */
    donate: quotas(600, 60),
    /** Every other request that may change something. */
    write: quotas(300, 300),
    /** Everything that is only read; counted per process. */
    read: quotas(12_000, 12_000),
    cards,
    connections,
    /** Networks of our own, where one address is not one client. */
    ownNetworks: z
      .array(z.string().refine(isNetwork, 'is no address and no network'))
      .default(isProduction ? [] : ['127.0.0.0/8', '::1']),
    /** How many times the limits an address in `ownNetworks` has. */
    ownFactor: count.default(1_000),
  });
}

export type Limits = z.infer<ReturnType<typeof limitSettings>>;
export type Quota = Limits['donate']['address'];
