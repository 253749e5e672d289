/** The four operations on a payment itself: what is called, how an unknown outcome is looked up, what an answer proves. */
import type { Operation } from '../../domain/ids.ts';
import type { PaymentEvent } from '../../domain/payment.ts';
import type { PaymentProvider, ProviderAnswer, ProviderPayment } from '../../provider/port.ts';
import type { PaymentOrder } from '../../workflows/ports.ts';
import { applyEvents } from './book/facts.ts';
import { eventsProvenBy, mismatchOf } from './observation.ts';
import { failure, type Answer, type Definitive, type Proof, type Step } from './operations.ts';
import { applyPayment } from './truth.ts';

type PaymentStep = Step<ProviderPayment>;
type PaymentOperation = Exclude<Operation, 'refund'>;

/** A payment created this long before our row still belongs to it: clocks differ. */
const CLOCK_SKEW_MS = 300_000;

export function createStep(
  provider: PaymentProvider,
  order: PaymentOrder,
  signal: () => AbortSignal,
  code = 'abandoned',
): PaymentStep {
  return {
    ...stepOf('create', order.donationId),
    call: async (key) => toAnswer(await provider.createPayment(order, key, signal())),
    look: (startedAt) => findCreated(provider, order.donationId, startedAt, signal()),
    // It never came to be, and nothing is posted with a forgotten key: the donor's time is over.
    absent: (client, payment, cause) => applyEvents(client, payment, [endedBy(code)], cause),
  };
}

/** How a payment ends of which the provider has nothing; `code` says why nobody goes on with it. */
export function endedBy(code: string): PaymentEvent {
  return code === 'abandoned' ? { type: 'expired', code } : { type: 'released', code };
}

const CALL = {
  confirm: 'confirmPayment',
  capture: 'capturePayment',
  release: 'cancelPayment',
} as const;

/** An operation on the provider's payment `id`. */
export function stepOn(
  provider: PaymentProvider,
  operation: keyof typeof CALL,
  donationId: string,
  id: string,
  signal: () => AbortSignal,
): PaymentStep {
  return {
    ...stepOf(operation, donationId),
    call: async (key) => toAnswer(await provider[CALL[operation]](id, key, signal())),
    look: () => retrieve(provider, id, signal()),
  };
}

function stepOf(operation: PaymentOperation, donationId: string): Omit<PaymentStep, 'call' | 'look'> {
  return {
    operation,
    donationId,
    hadEffect: (object) => hadEffect(operation, object),
    toStored: (payment) => ({ kind: 'yes', payment }),
    mismatch: mismatchOf,
    apply: async (client, payment, answer, cause) => {
      const events = provenBy(answer, payment.releaseCode);
      return answer.object === null
        ? await applyEvents(client, payment, events, cause)
        : await applyPayment(client, payment, answer.object, cause, events);
    },
  };
}

function provenBy(answer: Definitive<ProviderPayment>, releaseCode: string | null): PaymentEvent[] {
  return answer.kind === 'no'
    ? [{ type: 'declined', code: answer.code }]
    : eventsProvenBy(answer.object, releaseCode);
}

function toAnswer(answer: ProviderAnswer): Answer<ProviderPayment> {
  switch (answer.kind) {
    case 'yes':
      return { kind: 'yes', object: answer.payment, stored: answer };
    case 'declined':
      return { kind: 'no', code: answer.code, object: answer.payment, stored: answer };
    case 'wrong_state':
      return { kind: 'wrong_state', object: answer.payment };
    case 'our_fault':
    case 'unknown':
      return answer;
    default:
      return answer satisfies never;
  }
}

function hadEffect(operation: PaymentOperation, object: ProviderPayment): boolean {
  const { status } = object;
  switch (operation) {
    case 'create':
      return true;
    case 'confirm':
      return (
        status !== 'requires_confirmation' &&
        !(status === 'requires_payment_method' && object.lastErrorCode === null)
      );
    case 'capture':
    case 'release':
      return status === 'succeeded' || status === 'canceled';
    default:
      return operation satisfies never;
  }
}

/** The provider's payment as it is now. Throws `provider_rejected` when it will never be told. */
export async function retrieve(
  provider: PaymentProvider,
  id: string,
  signal: AbortSignal,
): Promise<Proof<ProviderPayment>> {
  const answer = await provider.retrievePayment(id, signal);
  switch (answer.kind) {
    case 'yes':
      return { kind: 'object', object: answer.payment };
    case 'unknown':
      return answer;
    case 'our_fault':
    case 'declined':
    case 'wrong_state':
      throw failure(
        'provider_rejected',
        `payment ${id} cannot be read: ${'code' in answer ? answer.code : answer.kind}`,
      );
    default:
      return answer satisfies never;
  }
}

/** A donation's payment, by search and by list. `startedAt`: when we may first have asked for it. */
export async function findCreated(
  provider: PaymentProvider,
  donationId: string,
  startedAt: Date,
  signal: AbortSignal,
): Promise<Proof<ProviderPayment>> {
  const createdFrom = new Date(startedAt.getTime() - CLOCK_SKEW_MS);
  const found = await provider.findByDonation(donationId, createdFrom, signal);
  switch (found.kind) {
    case 'yes': {
      const object = found.payments[0];
      return object === undefined ? { kind: 'absent' } : { kind: 'object', object };
    }
    case 'unknown':
      return found;
    case 'our_fault':
      throw failure('provider_rejected', `payments cannot be listed: ${found.status} ${found.code}`);
    default:
      return found satisfies never;
  }
}
