import { Router, type Request, type Response } from 'express';
import type { z } from 'zod';
import { GUEST, scopeOf, type Actor } from '../../domain/actor.ts';
import { hasPassed } from '../../domain/campaign.ts';
import { QueueFull } from '../../platform/batcher.ts';
import { isDatabaseUnavailable } from '../../platform/database-errors.ts';
import { activeTraceparent } from '../../platform/telemetry.ts';
import { fingerprintOf, requiredIdempotencyKey } from '../http/idempotency-key.ts';
import { jsonBody, parseBody } from '../http/json-body.ts';
import { actorOf, bearerToken, userByToken, type Authenticate } from '../http/authentication.ts';
import { pathId } from '../http/path-id.ts';
import { preferredWaitSeconds } from '../http/prefer.ts';
import { methodNotAllowed, Problem } from '../http/problem.ts';
import { answerStreamHead, openEventStream } from '../http/sse.ts';
import { isCompact } from '../http/token-verifier.ts';
import type { Client, ClientOf } from '../http/client-address.ts';
import type { acceptedDonationAnswer, readDonationAnswer } from './answers.ts';
import type { CampaignSnapshots } from './campaign-snapshots.ts';
import { toJson, type Donation } from './donation.ts';
import type { CardTesting } from './card-testing.ts';
import { donateBody, type DonateBody } from './donate.ts';
import { followDonation, hasEnded } from './follow.ts';
import { addHistoryRoutes, type DonationHistory } from './history.ts';
import type { DonationIdentity } from './identity.ts';
import type { Accepted, RequestStore } from './requests.ts';
import type { SeenDonations } from './seen-donations.ts';

export type DonationsDeps = {
  readonly requests: RequestStore;
  readonly history: DonationHistory;
  readonly campaigns: CampaignSnapshots;
  readonly identity: DonationIdentity;
  readonly authenticate: Authenticate;
  readonly clientOf: ClientOf;
  readonly cardTesting: CardTesting;
  /** Which donations were seen; null runs without. It only ever spares an INSERT. */
  readonly seen: SeenDonations | null;
  /** What the donor's browser needs to act (3-D Secure); null when nothing is asked of the donor, or nobody can tell. */
  readonly clientSecretOf: (donationId: string) => Promise<string | null>;
};

/** Each costs a socket and a look-up twice a second. */
const MAX_STREAMS = 1_000;
/** When to look again for the outcome. */
const RETRY_AFTER_SECONDS = 1;

export function donationsRouter(deps: DonationsDeps): Router {
  const { requests, identity, authenticate } = deps;
  const router = Router();
  let streams = 0;

  const readable = async (request: Request): Promise<{ donation: Donation; reader: Reader }> => {
    request.res?.vary('Authorization');
    const donationId = pathId(request);
    const holder = await holderOf(request, donationId, deps);
    const donation = holder === null ? null : await requests.find(donationId);
    const reader = holder === null || donation === null ? null : readerOf(holder, donation);
    if (donation === null || reader === null) throw new Problem('not_found');
    return { donation, reader };
  };

  router.post('/donate', ...jsonBody, async (request, response) => {
    const actor = await actorOf(request, authenticate);
    const key = requiredIdempotencyKey(request);
    const body = parseBody(request, donateBody);
    const accepted = await accept(deps, { client: deps.clientOf(request), actor, key, body });
    const waitSeconds = preferredWaitSeconds(request);
    if (waitSeconds === 0) sendDonation(response, accepted, identity);
    else {
      response.set('Preference-Applied', `wait=${waitSeconds}`);
      sendDonation(response, await untilDecided(requests, accepted, waitSeconds, response), identity);
    }
  });
  router.all('/donate', methodNotAllowed('POST'));

  router.get('/donations/:id', async (request, response) => {
    const { donation, reader } = await readable(request);
    // Whoever has the secret can complete the payment: it is the donor's alone.
    const waiting = reader === 'donor' && donation.status === 'INITIATED';
    const clientSecret = waiting ? await deps.clientSecretOf(donation.id) : null;
    const answer: z.infer<typeof readDonationAnswer> = {
      ...toJson(donation),
      ...(clientSecret === null ? {} : { clientSecret }),
    };
    response.json(answer);
  });
  router.all('/donations/:id', methodNotAllowed('GET'));

  router.post('/donations/:id/cancel', async (request, response) => {
    const { donation } = await readable(request);
    if (!(await requests.cancel(donation.id))) throw new Problem('cancel_too_late');
    response
      .status(202)
      .location(`/donations/${donation.id}`)
      .set('Retry-After', String(RETRY_AFTER_SECONDS))
      .json(toJson((await requests.find(donation.id)) ?? donation));
  });
  router.all('/donations/:id/cancel', methodNotAllowed('POST'));

  router.get('/donations/:id/events', async (request, response) => {
    const { donation } = await readable(request);
    // The last event was seen: 204 tells an EventSource to stop reconnecting.
    if (hasEnded(donation) && request.headers['last-event-id'] === String(donation.version)) {
      response.status(204).end();
      return;
    }
    if (request.method === 'HEAD') {
      answerStreamHead(response);
      return;
    }
    if (streams >= MAX_STREAMS) throw new Problem('overloaded');
    streams += 1;
    const stream = openEventStream(response);
    try {
      for await (const current of followDonation(requests, donation.id, stream.signal)) {
        stream.send({ type: 'donation', id: String(current.version), data: toJson(current) });
      }
    } finally {
      streams -= 1;
      stream.end();
    }
  });
  router.all('/donations/:id/events', methodNotAllowed('GET'));

  addHistoryRoutes(router, deps);
  return router;
}

type Asked = {
  readonly client: Client;
  readonly actor: Actor;
  readonly key: string;
  readonly body: DonateBody;
};

async function accept(deps: DonationsDeps, { client, actor, key, body }: Asked): Promise<Accepted> {
  const { requests, identity, cardTesting, seen } = deps;
  const scope = scopeOf(actor);
  const id = identity.donationId(scope, key);
  const fingerprint = fingerprintOf(body);

  if (await seen?.has(id)) {
    const donation = await requests.find(id);
    if (donation !== null) return sameRequest({ created: false, donation }, fingerprint);
  }

  const { campaignId, paymentMethod } = body;
  const attempt = { donationId: id, client, actor, campaignId, paymentMethod };
  const refusal = (await refusalOf(deps.campaigns, body)) ?? (await cardTesting.refusalOf(attempt));
  if (refusal !== null) {
    // A donation made while the campaign was open, or before too many cards were tried, is still there to be asked for.
    const donation = await requests.find(id);
    if (donation === null) throw refusal;
    return sameRequest({ created: false, donation }, fingerprint);
  }

  const accepted = await requests.accept({
    id,
    scope,
    key,
    fingerprint,
    campaignId,
    amountMinor: body.amount,
    currency: body.currency,
    paymentMethod,
    body: JSON.stringify(body),
    traceparent: activeTraceparent(),
  });
  seen?.add(id);
  if (accepted.created) cardTesting.note(attempt);
  return sameRequest(accepted, fingerprint);
}

function sameRequest(accepted: Accepted, fingerprint: Buffer): Accepted {
  if (!accepted.donation.fingerprint.equals(fingerprint)) throw new Problem('idempotency_key_reused');
  return accepted;
}

async function refusalOf(campaigns: CampaignSnapshots, body: DonateBody): Promise<Problem | null> {
  const campaign = await campaigns.find(body.campaignId);
  if (campaign === 'unknown')
    return new Problem('campaign_not_found', {
      errors: [{ pointer: '/campaignId', detail: 'is not a campaign' }],
    });
  if (campaign === 'unreachable') return new Problem('campaigns_unavailable');
  if (campaign.status !== 'open')
    return new Problem('campaign_closed', {
      errors: [{ pointer: '/campaignId', detail: `is ${campaign.status}` }],
    });
  if (hasPassed(campaign.deadline, new Date()))
    return new Problem('campaign_closed', {
      errors: [{ pointer: '/campaignId', detail: 'has ended: its deadline has passed' }],
    });
  if (campaign.currency !== body.currency) {
    return new Problem('currency_mismatch', {
      errors: [{ pointer: '/currency', detail: `the campaign takes ${campaign.currency}` }],
    });
  }
  return null;
}

/** Holds the answer until the provider has decided, at most for `waitSeconds` and while the donor is there. */
async function untilDecided(
  requests: RequestStore,
  { created, donation }: Accepted,
  waitSeconds: number,
  response: Response,
): Promise<Accepted> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(waitSeconds * 1_000)]);
  let current = donation;
  try {
    for await (const next of followDonation(requests, donation.id, signal)) {
      current = next;
      if (isDecided(current)) break;
    }
  } catch (error) {
    // The donation is durable: a database that fails while we wait must not turn that into an error.
    if (!isDatabaseUnavailable(error) && !(error instanceof QueueFull)) throw error;
  }
  return { created, donation: current };
}

function isDecided({ status }: Donation): boolean {
  return status !== 'INITIATED';
}

type Reader = 'donor' | 'operator';

/** Guests show the donation's token, everybody else their own. */
async function holderOf(
  request: Request,
  id: string,
  { identity, authenticate }: DonationsDeps,
): Promise<Actor | null> {
  const token = bearerToken(request);
  if (token === null) return null;
  if (identity.isDonorToken(id, token)) return GUEST;
  const user = await userByToken(request, token, authenticate);
  // Whoever shows an access token that has expired can do something about it; a donor token never expires.
  if (user === null && isCompact(token)) throw new Problem('unauthorized');
  return user;
}

/** To anybody else the donation does not exist. */
function readerOf(holder: Actor, donation: Donation): Reader | null {
  if (holder.kind === 'guest' || donation.scope === scopeOf(holder)) return 'donor';
  return holder.role === 'operator' ? 'operator' : null;
}

function sendDonation(response: Response, { created, donation }: Accepted, identity: DonationIdentity): void {
  if (!created) response.set('Idempotent-Replayed', 'true');
  // 201 is only for those who asked to wait, declines included; everybody else gets the same class of code each time.
  const decided = response.hasHeader('Preference-Applied') && isDecided(donation);
  const answer: z.infer<typeof acceptedDonationAnswer> = {
    ...toJson(donation),
    ...tokenOf(donation, identity),
  };
  response
    .status(decided ? 201 : 202)
    .location(`/donations/${donation.id}`)
    .set('Retry-After', String(RETRY_AFTER_SECONDS))
    .json(answer);
}

/** Only guests need one: an account has its access token. */
function tokenOf({ id, scope }: Donation, identity: DonationIdentity): { donorToken?: string } {
  return scope === 'guest' ? { donorToken: identity.donorToken(id) } : {};
}
