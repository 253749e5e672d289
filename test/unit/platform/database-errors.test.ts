import { describe, expect, test } from 'vitest';
import { isDataError, isDatabaseUnavailable } from '../../../platform/database-errors.ts';

function error(message: string, code?: string): Error {
  return Object.assign(new Error(message), code === undefined ? {} : { code });
}

describe('the database is away', () => {
  test.each([
    ['refused', error('connect ECONNREFUSED 127.0.0.1:5432', 'ECONNREFUSED')],
    ['reset', error('read ECONNRESET', 'ECONNRESET')],
    ['broken pipe', error('write EPIPE', 'EPIPE')],
    ['no name', error('getaddrinfo ENOTFOUND db', 'ENOTFOUND')],
    ['no route', error('connect EHOSTUNREACH', 'EHOSTUNREACH')],
    [
      'several addresses, all refused',
      Object.assign(new AggregateError([], 'all refused'), { code: 'ECONNREFUSED' }),
    ],
    ['no connection in time', error('timeout exceeded when trying to connect')],
    ['ended', error('Connection terminated unexpectedly')],
    ['ended after a time-out', error('Connection terminated due to connection timeout')],
    ['no answer in time', error('Query read timeout')],
    ['broken before', error('Client has encountered a connection error and is not queryable')],
    ['too many connections', error('sorry, too many clients already', '53300')],
    ['disk full', error('could not extend file', '53100')],
    ['shut down', error('terminating connection due to administrator command', '57P01')],
    ['starting up', error('the database system is starting up', '57P03')],
    ['statement time-out', error('canceling statement due to statement timeout', '57014')],
    ['connection failure', error('connection failure', '08006')],
  ])('%s', (_name, cause) => {
    expect([isDatabaseUnavailable(cause), isDataError(cause)]).toEqual([true, false]);
  });
});

describe('the data was refused', () => {
  test.each([
    ['unique', error('duplicate key', '23505')],
    ['check', error('violates check constraint', '23514')],
    ['number too large', error('value out of range', '22003')],
    ['no NUL', error('invalid byte sequence', '22021')],
  ])('%s', (_name, cause) => {
    expect([isDatabaseUnavailable(cause), isDataError(cause)]).toEqual([false, true]);
  });
});

describe('something else is wrong', () => {
  test.each([
    ['a bug of ours', new TypeError('x is not a function')],
    ['a syntax error', error('syntax error', '42601')],
    ['a code of another kind', error('no', 'ERR_INVALID_ARG_TYPE')],
    ['no error', 'Connection terminated'],
    ['nothing', undefined],
    ['a code that is no text', Object.assign(new Error('no'), { code: 23_505 })],
  ])('%s', (_name, cause) => {
    expect([isDatabaseUnavailable(cause), isDataError(cause)]).toEqual([false, false]);
  });
});
