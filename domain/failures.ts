export type Failure = {
  /** HTTP status of the problem document. */
  readonly status: number;
  /** For people; says what happened and, where it helps, what to do. */
  readonly title: string;
  /** The same request, unchanged, may succeed later. Temporal retries exactly these. */
  readonly retryable: boolean;
};

/** The only list of failures: HTTP answers, Temporal failure types, the OpenAPI document and the docs read it. */
export const FAILURES = {
  // The request
  invalid_body: { status: 400, title: 'The request body does not have the expected shape', retryable: false },
  invalid_parameter: {
    status: 400,
    title: 'A path, query or header parameter is not valid',
    retryable: false,
  },
  malformed_json: { status: 400, title: 'The request body is not valid JSON', retryable: false },
  unsupported_media_type: { status: 415, title: 'Send the body as application/json', retryable: false },
  body_too_large: { status: 413, title: 'The request body is too large', retryable: false },
  malformed_request: { status: 400, title: 'The request is not valid HTTP', retryable: false },
  headers_too_large: { status: 431, title: 'The request headers are too large', retryable: false },
  request_timeout: { status: 408, title: 'The request did not arrive in time', retryable: false },
  expectation_failed: { status: 417, title: 'Only 100-continue can be expected', retryable: false },
  not_found: { status: 404, title: 'There is nothing here, or nothing that you may see', retryable: false },
  method_not_allowed: { status: 405, title: 'This address does not support that method', retryable: false },
  unauthorized: { status: 401, title: 'The access token is missing, wrong or expired', retryable: false },
  forbidden: { status: 403, title: 'You are not allowed to do this', retryable: false },
  invalid_signature: { status: 400, title: 'The webhook signature does not fit the body', retryable: false },

  // Accounts
  email_taken: { status: 409, title: 'There is an account with this e-mail address', retryable: false },
  invalid_credentials: {
    status: 401,
    title: 'The e-mail address or the password is wrong',
    retryable: false,
  },
  session_ended: { status: 401, title: 'This refresh token does not count; sign in again', retryable: false },
  last_operator: { status: 409, title: 'The last operator has to stay one', retryable: false },

  // Idempotency
  idempotency_key_missing: { status: 400, title: 'The Idempotency-Key header is required', retryable: false },
  idempotency_key_invalid: {
    status: 400,
    title: 'The Idempotency-Key must be 16 to 255 visible ASCII characters',
    retryable: false,
  },
  idempotency_key_repeated: {
    status: 400,
    title: 'Send the Idempotency-Key header only once',
    retryable: false,
  },
  idempotency_key_reused: {
    status: 422,
    title: 'This Idempotency-Key was already used for a different request',
    retryable: false,
  },

  // Campaigns
  campaign_not_found: { status: 404, title: 'There is no such campaign', retryable: false },
  campaign_closed: { status: 422, title: 'This campaign does not take donations', retryable: false },
  campaign_conflict: {
    status: 409,
    title: 'The campaign was changed meanwhile; read it again',
    retryable: false,
  },
  campaign_fixed: {
    status: 422,
    title: 'This part of the campaign can no longer be changed',
    retryable: false,
  },
  slug_taken: { status: 409, title: 'Another campaign has this slug', retryable: false },
  currency_mismatch: { status: 422, title: 'The currency is not the one of the campaign', retryable: false },

  // Cancel and refund
  cancel_too_late: { status: 409, title: 'The donation can no longer be cancelled', retryable: false },
  not_refundable: {
    status: 422,
    title: 'This donation was never paid, so nothing can be refunded',
    retryable: false,
  },
  refund_exceeds_captured: {
    status: 422,
    title: 'The refund is more than what is left of the donation',
    retryable: false,
  },
  dispute_open: { status: 422, title: 'A disputed donation cannot be refunded', retryable: false },

  // Passing trouble: the same request and the same key work later
  campaigns_unavailable: {
    status: 503,
    title: 'The campaign cannot be looked up right now',
    retryable: true,
  },
  database_unavailable: { status: 503, title: 'The donation cannot be stored right now', retryable: true },
  keys_unavailable: {
    status: 503,
    title: 'The access token cannot be checked right now',
    retryable: true,
  },
  overloaded: { status: 503, title: 'Too busy right now; try again shortly', retryable: true },
  service_unreachable: {
    status: 502,
    title: 'This part of the platform cannot be reached right now',
    retryable: true,
  },
  service_silent: {
    status: 504,
    title: 'This part of the platform did not answer in time',
    retryable: true,
  },
  rate_limited: { status: 429, title: 'Too many requests; slow down', retryable: true },
  internal: { status: 500, title: 'Something went wrong on our side', retryable: true },

  // How a payment ends without money
  payment_declined: { status: 402, title: 'The payment was declined', retryable: false },
  cancelled_by_donor: { status: 409, title: 'The donor cancelled the donation', retryable: false },
  authorization_released: {
    status: 409,
    title: 'The authorization was released before the capture',
    retryable: false,
  },
  cancelled_by_operator: {
    status: 409,
    title: 'The donation was cancelled by an operator',
    retryable: false,
  },
  abandoned: { status: 409, title: 'The donor did not finish the payment in time', retryable: false },
  authorization_expired: {
    status: 409,
    title: 'The authorization expired before the capture',
    retryable: false,
  },
  refund_declined: { status: 422, title: 'The payment provider could not make the refund', retryable: false },

  // Between the platform and the provider
  provider_unknown: {
    status: 503,
    title: 'The payment provider has not confirmed the outcome yet',
    retryable: true,
  },
  provider_rejected: {
    status: 502,
    title: 'The payment provider did not accept our request',
    retryable: false,
  },
  outcome_unproven: {
    status: 504,
    title: 'The outcome of the payment could not be proven in time',
    retryable: false,
  },
  refund_in_flight: {
    status: 503,
    title: 'The provider has not confirmed another refund of this donation yet',
    retryable: true,
  },
  payment_mismatch: { status: 409, title: 'The payment differs from what was pledged', retryable: false },

  // Inside the saga
  capture_not_counted: {
    status: 503,
    title: 'A refund waits for its capture to be counted first',
    retryable: true,
  },
  undo_failed: { status: 500, title: 'A started donation could not be undone', retryable: false },
  invariant_broken: {
    status: 500,
    title: 'A rule that protects the money would have been broken',
    retryable: false,
  },
} as const satisfies Readonly<Record<string, Failure>>;

export type FailureCode = keyof typeof FAILURES;

export const FAILURE_CODES: readonly FailureCode[] = Object.keys(FAILURES) as FailureCode[];

/** For Temporal's retry policies: an activity that fails with one of these types is not tried again. */
export const NON_RETRYABLE_TYPES: readonly FailureCode[] = FAILURE_CODES.filter(
  (code) => !FAILURES[code].retryable,
);

export function isFailureCode(value: unknown): value is FailureCode {
  return typeof value === 'string' && Object.hasOwn(FAILURES, value);
}
