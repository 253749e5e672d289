import { z } from 'zod';
import { invalidParameter, missingParameter, unknownParameter } from './errors.ts';
import type { Answer } from './errors.ts';

/** Form fields are strings; each schema lists what the real endpoint takes of them, and nothing else passes. */
const integer = z
  .string()
  .regex(/^-?\d{1,15}$/, 'Invalid integer')
  .transform(Number);
const flag = z.enum(['true', 'false']).transform((value) => value === 'true');
const expand = z.array(z.string()).optional();
const metadata = z
  .record(z.string().min(1).max(40), z.string().max(500))
  .refine((entries) => Object.keys(entries).length <= 50, 'At most 50 keys')
  .optional();

const range = z.strictObject({
  gt: integer.optional(),
  gte: integer.optional(),
  lt: integer.optional(),
  lte: integer.optional(),
});
const page = {
  limit: integer.refine((limit) => limit >= 1 && limit <= 100, 'Must be between 1 and 100').default(10),
  starting_after: z.string().optional(),
  created: z
    .union([integer.transform((at) => ({ gte: at, lte: at, gt: undefined, lt: undefined })), range])
    .optional(),
  expand,
};

export const createParams = z.strictObject({
  amount: integer,
  currency: z
    .string()
    .regex(/^[A-Za-z]{3}$/, 'Invalid currency')
    .transform((code) => code.toLowerCase()),
  capture_method: z.enum(['manual', 'automatic', 'automatic_async']).default('automatic_async'),
  confirm: flag.default(false),
  payment_method: z.string().optional(),
  allowed_payment_method_types: z.array(z.string()).optional(),
  excluded_payment_method_types: z.array(z.string()).optional(),
  automatic_payment_methods: z
    .strictObject({ enabled: flag, allow_redirects: z.enum(['always', 'never']).optional() })
    .optional(),
  description: z.string().optional(),
  receipt_email: z.string().optional(),
  return_url: z.string().optional(),
  off_session: flag.optional(),
  statement_descriptor_suffix: z.string().optional(),
  metadata,
  expand,
});

export const confirmParams = z.strictObject({
  payment_method: z.string().optional(),
  return_url: z.string().optional(),
  off_session: flag.optional(),
  expand,
});

export const captureParams = z.strictObject({ amount_to_capture: integer.optional(), metadata, expand });

export const cancelParams = z.strictObject({
  cancellation_reason: z.enum(['duplicate', 'fraudulent', 'requested_by_customer', 'abandoned']).optional(),
  expand,
});

export const retrieveParams = z.strictObject({ client_secret: z.string().optional(), expand });

export const refundParams = z.strictObject({
  payment_intent: z.string().optional(),
  charge: z.string().optional(),
  amount: integer.optional(),
  reason: z.enum(['duplicate', 'fraudulent', 'requested_by_customer']).optional(),
  metadata,
  expand,
});

export const listParams = z.strictObject({ ...page, customer: z.string().optional() });
export const listMoneyBackParams = z.strictObject({
  ...page,
  payment_intent: z.string().optional(),
  charge: z.string().optional(),
});
export const retrieveObjectParams = z.strictObject({ expand });
export const listEventsParams = z.strictObject({
  ...page,
  type: z.string().optional(),
  types: z.array(z.string()).optional(),
});
export const searchParams = z.strictObject({
  query: z.string(),
  limit: page.limit,
  page: z.string().optional(),
  expand,
});

export type Range = z.output<typeof range>;

export function inRange(seconds: number, limits: Range | undefined): boolean {
  if (limits === undefined) return true;
  return (
    (limits.gt === undefined || seconds > limits.gt) &&
    (limits.gte === undefined || seconds >= limits.gte) &&
    (limits.lt === undefined || seconds < limits.lt) &&
    (limits.lte === undefined || seconds <= limits.lte)
  );
}

export function parseParams<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
):
  | { readonly ok: true; readonly params: z.output<Schema> }
  | { readonly ok: false; readonly answer: Answer } {
  if (hasKey(input, 'payment_method_types')) {
    const answer = invalidParameter(
      'payment_method_types',
      'payment_method_types is not supported on this API version. Use allowed_payment_method_types.',
      'payment_method_types_no_longer_supported',
    );
    return { ok: false, answer };
  }
  const parsed = schema.safeParse(input ?? {});
  if (parsed.success) return { ok: true, params: parsed.data };
  const [issue] = parsed.error.issues;
  if (issue === undefined) throw parsed.error;
  const param = issue.path.map((part, index) => (index === 0 ? String(part) : `[${String(part)}]`)).join('');
  if (issue.code === 'unrecognized_keys')
    return { ok: false, answer: unknownParameter([...issue.path, ...issue.keys].join('.')) };
  const absent = issue.path.length === 1 && !hasKey(input, param);
  return {
    ok: false,
    answer: absent ? missingParameter(param) : invalidParameter(param, `Invalid ${param}: ${issue.message}`),
  };
}

function hasKey(value: unknown, key: string): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key);
}
