import type { z } from 'zod';
import { invalidParameter, noSuch } from './errors.ts';
import type { Answer } from './errors.ts';
import type { Ledger } from './ledger.ts';
import { inRange } from './params.ts';
import type { listEventsParams, listMoneyBackParams, listParams, searchParams } from './params.ts';
import type { DisputeRecord, IntentRecord, RefundRecord, StripeObject } from './records.ts';
import { renderDispute, renderRefund } from './render-money-back.ts';
import { renderIntent, renderList } from './render.ts';
import type { Store } from './store.ts';

/** Newest first, a page at a time after the id that ended the last one. */
export function listIntents(store: Store, params: z.output<typeof listParams>, livemode: boolean): Answer {
  let position = store.intentIds.length - 1;
  if (params.starting_after !== undefined) {
    position = store.positionOf(params.starting_after) - 1;
    if (position === -2)
      return noSuch('payment_intent', params.starting_after, { status: 400, param: 'starting_after' });
  }
  const found: IntentRecord[] = [];
  for (; position >= 0 && found.length <= params.limit; position -= 1) {
    const intent = store.intents.get(store.intentIds[position] ?? '');
    if (intent && inRange(intent.created, params.created)) found.push(intent);
  }
  return pageOf(
    '/v1/payment_intents',
    found.map((intent) => renderIntent(intent, livemode)),
    params.limit,
  );
}

/** The subset of https://docs.stripe.com/search: clauses on metadata and status, joined by AND. */
export function searchIntents(
  store: Store,
  params: z.output<typeof searchParams>,
  options: { readonly livemode: boolean; readonly visibleUntilSeconds: number },
): Answer {
  const clauses = parseQuery(params.query);
  if (clauses === null) return invalidParameter('query', 'We were unable to parse your search query.');
  const donation = clauses.find((clause) => clause.field === 'donation_id');
  const candidates = donation ? store.ofDonation(donation.value) : store.intentIds;
  const found: IntentRecord[] = [];
  for (const id of candidates.toReversed()) {
    const intent = store.intents.get(id);
    if (!intent || intent.created > options.visibleUntilSeconds) continue;
    const matches = clauses.every(
      ({ field, value }) => (field === null ? intent.status : intent.metadata[field]) === value,
    );
    if (matches) found.push(intent);
  }
  const start = Number(params.page ?? 0);
  const page = found.slice(start, start + params.limit);
  const hasMore = found.length > start + params.limit;
  return {
    status: 200,
    executed: true,
    body: {
      object: 'search_result',
      data: page.map((intent) => renderIntent(intent, options.livemode)),
      has_more: hasMore,
      next_page: hasMore ? String(start + params.limit) : null,
      url: '/v1/payment_intents/search',
    },
  };
}

export function donationOfQuery(query: unknown): string | null {
  const clauses = typeof query === 'string' ? parseQuery(query) : null;
  return clauses?.find((clause) => clause.field === 'donation_id')?.value ?? null;
}

/** A field is a metadata key; null stands for the status. */
function parseQuery(query: string): { field: string | null; value: string }[] | null {
  const clauses = [];
  for (const text of query.split(/\s+AND\s+/i)) {
    const match =
      /^(?:metadata\[(['"])(?<key>[^'"]+)\1\]|status)\s*:\s*(['"])(?<value>(?:[^\\]|\\.)*?)\3$/.exec(
        text.trim(),
      );
    if (!match?.groups) return null;
    clauses.push({
      field: match.groups['key'] ?? null,
      value: (match.groups['value'] ?? '').replaceAll(/\\(.)/g, '$1'),
    });
  }
  return clauses;
}

type MoneyBack = RefundRecord | DisputeRecord;

export function listRefunds(store: Store, params: z.output<typeof listMoneyBackParams>): Answer {
  return listMoneyBack(store.refunds, { url: '/v1/refunds', kind: 'refund', render: renderRefund }, params);
}

export function listDisputes(
  store: Store,
  params: z.output<typeof listMoneyBackParams>,
  livemode: boolean,
): Answer {
  const render = (dispute: DisputeRecord): StripeObject => renderDispute(dispute, livemode);
  return listMoneyBack(store.disputes, { url: '/v1/disputes', kind: 'dispute', render }, params);
}

/** Newest first; of one payment or charge when asked. */
function listMoneyBack<Item extends MoneyBack>(
  records: ReadonlyMap<string, Item>,
  { url, kind, render }: { url: string; kind: string; render: (record: Item) => StripeObject },
  params: z.output<typeof listMoneyBackParams>,
): Answer {
  const found = [...records.values()]
    .toReversed()
    .filter((record) => params.payment_intent === undefined || record.intentId === params.payment_intent)
    .filter((record) => params.charge === undefined || record.chargeId === params.charge)
    .filter((record) => inRange(record.created, params.created));
  const { starting_after: cursor, limit } = params;
  const last = cursor === undefined ? -1 : found.findIndex((record) => record.id === cursor);
  if (cursor !== undefined && last === -1)
    return noSuch(kind, cursor, { status: 400, param: 'starting_after' });
  return pageOf(url, found.slice(last + 1, last + limit + 2).map(render), limit);
}

export function listEvents(store: Store, ledger: Ledger, params: z.output<typeof listEventsParams>): Answer {
  const types = params.types ?? (params.type === undefined ? null : [params.type]);
  let position = store.events.length - 1;
  if (params.starting_after !== undefined) {
    position = store.events.findIndex((event) => event.id === params.starting_after) - 1;
    if (position === -2)
      return noSuch('event', params.starting_after, { status: 400, param: 'starting_after' });
  }
  const found = [];
  for (; position >= 0 && found.length <= params.limit; position -= 1) {
    const event = store.events[position];
    if (!event || !inRange(event.created, params.created)) continue;
    if (types === null || types.some((type) => type === event.type)) found.push(event);
  }
  return pageOf(
    '/v1/events',
    found.map((event) => bodyOf(ledger, event)),
    params.limit,
  );
}

export function retrieveEvent(store: Store, ledger: Ledger, id: string): Answer {
  const kept = store.events.find((event) => event.id === id);
  if (kept === undefined) return noSuch('event', id, { status: 404, param: 'id' });
  return { status: 200, body: bodyOf(ledger, kept), executed: true };
}

function bodyOf(ledger: Ledger, { id, ref }: Store['events'][number]): StripeObject {
  const event = ledger.read(ref).events?.find((candidate) => candidate.id === id);
  if (event === undefined) throw new Error(`The ledger lost event ${id}`);
  return event.body;
}

/** `found` holds one more than the page when there is another page. */
function pageOf(url: string, found: readonly StripeObject[], limit: number): Answer {
  return { status: 200, body: renderList(url, found.slice(0, limit), found.length > limit), executed: true };
}
