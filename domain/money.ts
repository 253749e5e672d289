import { MAX_AMOUNT_MINOR, MAX_SPLIT_PARTS } from './limits.ts';

/**
 * Digits after the decimal point (ISO 4217). Only currencies for which Stripe counts minor units the same way:
 * ISK, UGX, HUF, TWD and MGA have special cases there, and a wrong exponent is a charge of a hundred times the amount.
 */
export const CURRENCY_EXPONENT = {
  AED: 2,
  AUD: 2,
  BDT: 2,
  BHD: 3,
  BIF: 0,
  BRL: 2,
  CAD: 2,
  CHF: 2,
  CLP: 0,
  CNY: 2,
  COP: 2,
  CZK: 2,
  DJF: 0,
  DKK: 2,
  EGP: 2,
  EUR: 2,
  GBP: 2,
  GNF: 0,
  HKD: 2,
  IDR: 2,
  ILS: 2,
  INR: 2,
  JOD: 3,
  JPY: 0,
  KES: 2,
  KMF: 0,
  KRW: 0,
  KWD: 3,
  LKR: 2,
  MAD: 2,
  MXN: 2,
  MYR: 2,
  NGN: 2,
  NOK: 2,
  NPR: 2,
  NZD: 2,
  OMR: 3,
  PEN: 2,
  PHP: 2,
  PKR: 2,
  PLN: 2,
  PYG: 0,
  QAR: 2,
  RON: 2,
  RWF: 0,
  SAR: 2,
  SEK: 2,
  SGD: 2,
  THB: 2,
  TND: 3,
  TRY: 2,
  UAH: 2,
  USD: 2,
  VND: 0,
  VUV: 0,
  XAF: 0,
  XOF: 0,
  XPF: 0,
  ZAR: 2,
} as const satisfies Readonly<Record<string, 0 | 2 | 3>>;

export type CurrencyCode = keyof typeof CURRENCY_EXPONENT;

export type Money = { readonly amountMinor: number; readonly currency: CurrencyCode };

/** Upper case only: `usd` is what the provider writes, never what we keep. */
export function isCurrencyCode(value: unknown): value is CurrencyCode {
  return typeof value === 'string' && Object.hasOwn(CURRENCY_EXPONENT, value);
}

/** A whole number of minor units that one payment may have: 1 to MAX_AMOUNT_MINOR. */
export function isAmountMinor(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= MAX_AMOUNT_MINOR;
}

/** @throws RangeError when a term or the sum is not a safe integer. */
export function addMinor(a: number, b: number): number {
  return safe(safe(a) + safe(b));
}

/** @throws RangeError when a term is not a safe integer or the difference is below zero. */
export function subtractMinor(a: number, b: number): number {
  const difference = safe(safe(a) - safe(b));
  if (difference < 0) throw new RangeError(`${a} minor units less ${b} is below zero`);
  return difference;
}

/**
 * Splits an amount without losing a minor unit: the parts add up to the whole, differ by at most one, larger first.
 * @throws RangeError for a negative amount or a number of parts outside 1 to MAX_SPLIT_PARTS.
 */
export function splitMinor(amountMinor: number, parts: number): number[] {
  if (safe(amountMinor) < 0) throw new RangeError(`cannot split ${amountMinor} minor units`);
  if (!Number.isSafeInteger(parts) || parts < 1 || parts > MAX_SPLIT_PARTS) {
    throw new RangeError(`cannot split into ${parts} parts`);
  }
  const remainder = amountMinor % parts;
  const share = (amountMinor - remainder) / parts;
  return Array.from({ length: parts }, (_, index) => (index < remainder ? share + 1 : share));
}

/**
 * For people and logs: `25.00 USD`, `2500 JPY`, `2.500 BHD`. Never divides, so no digit is ever rounded.
 * @throws RangeError for a negative or unsafe amount.
 */
export function formatMoney(money: Money): string {
  if (safe(money.amountMinor) < 0) throw new RangeError(`cannot format ${money.amountMinor} minor units`);
  const exponent = CURRENCY_EXPONENT[money.currency];
  if (exponent === 0) return `${money.amountMinor} ${money.currency}`;
  const digits = String(money.amountMinor).padStart(exponent + 1, '0');
  return `${digits.slice(0, -exponent)}.${digits.slice(-exponent)} ${money.currency}`;
}

function safe(amountMinor: number): number {
  if (!Number.isSafeInteger(amountMinor))
    throw new RangeError(`${amountMinor} is not a safe integer of minor units`);
  return amountMinor;
}
