/** Parsers of option values; what they refuse is a usage error with its own words. */
import { InvalidArgumentError } from 'commander';
import { isUuid } from '../domain/ids.ts';

export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('It must be a whole number from 1.');
  return value;
}

export function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0 || value > 1e7)
    throw new InvalidArgumentError('It must be a number of seconds.');
  return value;
}

export function uuid(text: string): string {
  const id = text.toLowerCase();
  if (!isUuid(id))
    throw new InvalidArgumentError('It must be an id like 1c547862-7147-872d-88ec-352ec19f0bea.');
  return id;
}

export function time(text: string): Date {
  const value = new Date(text);
  if (Number.isNaN(value.getTime()))
    throw new InvalidArgumentError('It must be a time like 2027-01-31T12:00:00Z.');
  return value;
}

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** In milliseconds. */
export function span(text: string): number {
  const match = /^(\d{1,5})([mhd])$/.exec(text);
  const ms = Number(match?.[1] ?? 0) * (UNIT_MS[match?.[2] ?? ''] ?? 0);
  if (ms <= 0) throw new InvalidArgumentError('It must be a span of time like 90m, 24h or 7d.');
  return ms;
}
