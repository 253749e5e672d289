import type { StripeObject } from './records.ts';

/** An answer of the API: what is sent, and whether the endpoint had begun to execute (then its key keeps the answer). */
export type Answer = { readonly status: number; readonly body: StripeObject; readonly executed: boolean };

type ErrorFields = {
  readonly type: 'invalid_request_error' | 'card_error' | 'api_error' | 'idempotency_error';
  readonly message: string;
  readonly code?: string;
  readonly param?: string;
};

/** Refused before anything ran: the idempotency key stays free. */
export function refusal(status: number, error: ErrorFields & StripeObject): Answer {
  return { status, body: errorBody(error), executed: false };
}

export function executedError(status: number, error: ErrorFields & StripeObject): Answer {
  return { status, body: errorBody(error), executed: true };
}

function errorBody(error: ErrorFields & StripeObject): StripeObject {
  const documented =
    error.code === undefined
      ? {}
      : { doc_url: `https://stripe.com/docs/error-codes/${error.code.replaceAll('_', '-')}` };
  return { error: { ...documented, ...error } };
}

export function missingParameter(param: string): Answer {
  return refusal(400, {
    type: 'invalid_request_error',
    code: 'parameter_missing',
    message: `Missing required param: ${param}.`,
    param,
  });
}

export function invalidParameter(param: string, message: string, code?: string): Answer {
  return refusal(400, {
    type: 'invalid_request_error',
    ...(code === undefined ? {} : { code }),
    message,
    param,
  });
}

export function unknownParameter(param: string): Answer {
  return invalidParameter(param, `Received unknown parameter: ${param}`, 'parameter_unknown');
}

/** 404 when it is named in the path, 400 when in a parameter. */
export function noSuch(kind: string, id: string, where: { status: 400 | 404; param: string }): Answer {
  return refusal(where.status, {
    type: 'invalid_request_error',
    code: 'resource_missing',
    message: `No such ${kind}: '${id}'`,
    param: where.param,
  });
}

export const INTERNAL_ERROR: Answer = executedError(500, {
  type: 'api_error',
  message: 'An unexpected error occurred. The request may or may not have had an effect.',
});

export const UNAVAILABLE: Answer = refusal(503, {
  type: 'api_error',
  message: 'The API is unavailable for the moment.',
});

export const RATE_LIMITED: Answer = refusal(429, {
  type: 'invalid_request_error',
  code: 'rate_limit',
  message: 'Request rate limit exceeded.',
});

export const KEY_IN_USE: Answer = refusal(409, {
  type: 'idempotency_error',
  code: 'idempotency_key_in_use',
  message: 'There is currently another in-progress request using this idempotency key.',
});

export const KEY_REUSED: Answer = refusal(400, {
  type: 'idempotency_error',
  message:
    'Keys for idempotent requests can only be used with the same parameters they were first used with.',
});
