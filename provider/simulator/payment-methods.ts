/** Stripe's test payment methods, https://docs.stripe.com/testing: what happens when a payment is confirmed with one. */
export type CardBehaviour =
  | {
      readonly kind: 'approve';
      /** What befalls the money once it is captured, or a refund of it. */
      readonly afterwards: Afterwards | null;
    }
  | { readonly kind: 'authenticate' }
  | {
      readonly kind: 'decline';
      readonly code: string;
      readonly declineCode: string | null;
      readonly message: string;
    };

export type Afterwards =
  | 'disputed_as_fraudulent'
  | 'disputed_as_not_received'
  | 'inquired'
  /** The refund is pending, then succeeds. */
  | 'refund_pending'
  /** The refund succeeds, then fails. */
  | 'refund_fails';

const APPROVE: CardBehaviour = { kind: 'approve', afterwards: null };
const AUTHENTICATE: CardBehaviour = { kind: 'authenticate' };

export const GENERIC_DECLINE = declined('card_declined', 'generic_decline', 'Your card was declined.');

const DECLINES: Readonly<Record<string, CardBehaviour>> = {
  '': GENERIC_DECLINE,
  InsufficientFunds: declined('card_declined', 'insufficient_funds', 'Your card has insufficient funds.'),
  LostCard: declined('card_declined', 'lost_card', 'Your card was declined.'),
  StolenCard: declined('card_declined', 'stolen_card', 'Your card was declined.'),
  Fraudulent: declined('card_declined', 'fraudulent', 'Your card was declined.'),
  VelocityLimitExceeded: declined('card_declined', 'card_velocity_exceeded', 'Your card was declined.'),
  ExpiredCard: declined('expired_card', null, 'Your card has expired.'),
  IncorrectCvc: declined('incorrect_cvc', null, "Your card's security code is incorrect."),
  ProcessingError: declined(
    'processing_error',
    null,
    'An error occurred while processing your card. Try again later.',
  ),
};

const APPROVED = [
  'visa',
  'visa_debit',
  'mastercard',
  'mastercard_debit',
  'mastercard_prepaid',
  'amex',
  'discover',
  'diners',
  'jcb',
  'unionpay',
];
const AUTHENTICATED = [
  'authenticationRequired',
  'authenticationRequiredOnSetup',
  'threeDSecureRequired',
  'threeDSecure2Required',
];

const AFTERWARDS: Readonly<Record<string, Afterwards>> = {
  createDispute: 'disputed_as_fraudulent',
  createDisputeProductNotReceived: 'disputed_as_not_received',
  createDisputeInquiry: 'inquired',
  pendingRefund: 'refund_pending',
  refundFail: 'refund_fails',
};

const METHODS: ReadonlyMap<string, CardBehaviour> = new Map<string, CardBehaviour>([
  ...APPROVED.map((name) => [`pm_card_${name}`, APPROVE] as const),
  ...AUTHENTICATED.map((name) => [`pm_card_${name}`, AUTHENTICATE] as const),
  ...Object.entries(AFTERWARDS).map(
    ([name, afterwards]) => [`pm_card_${name}`, { kind: 'approve', afterwards }] as const,
  ),
  ...Object.entries(DECLINES).flatMap(([name, behaviour]) => [
    [`pm_card_chargeDeclined${name}`, behaviour] as const,
    [`pm_card_visa_chargeDeclined${name}`, behaviour] as const,
  ]),
]);

/** Null when there is no such payment method. */
export function behaviourOf(paymentMethod: string): CardBehaviour | null {
  return METHODS.get(paymentMethod) ?? null;
}

export function afterwardsOf(paymentMethod: string): Afterwards | null {
  const behaviour = METHODS.get(paymentMethod);
  return behaviour?.kind === 'approve' ? behaviour.afterwards : null;
}

function declined(
  code: string,
  declineCode: string | null,
  message: string,
): Extract<CardBehaviour, { kind: 'decline' }> {
  return { kind: 'decline', code, declineCode, message };
}
