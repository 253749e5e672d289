import type { Pool } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createPool, transaction } from '../../../platform/postgres.ts';
import { isolatedDatabases } from './isolated-databases.ts';

const { urls } = isolatedDatabases([]);
let pool: Pool;
beforeAll(async () => {
  pool = createPool({ url: urls.payments, max: 2, name: 'test-pool', statementTimeoutMs: 300 });
  await pool.query('create table kept (id int primary key)');
});
afterAll(async () => {
  await pool.end();
});

async function kept(): Promise<number[]> {
  const { rows } = await pool.query<{ id: number }>('select id from kept order by id');
  return rows.map((row) => row.id);
}

test('a bigint arrives as a number, alone and in an array', async () => {
  const { rows } = await pool.query(
    'select 99999999::bigint as one, array[1, null, 9007199254740991]::bigint[] as many',
  );
  expect(rows).toEqual([{ one: 99999999, many: [1, null, 9007199254740991] }]);
});

test('a bigint that a number cannot hold exactly is an error, never another amount', async () => {
  await expect(pool.query('select 9007199254740993::bigint')).rejects.toThrow(RangeError);
  await expect(pool.query('select array[-9007199254740993]::bigint[]')).rejects.toThrow(RangeError);
});

test('the pool shows its name to the server', async () => {
  const { rows } = await pool.query(`select current_setting('application_name') as name`);
  expect(rows).toEqual([{ name: 'test-pool' }]);
});

test('a statement that takes too long is cancelled by the server', async () => {
  await expect(pool.query('select pg_sleep(5)')).rejects.toMatchObject({ code: '57014' });
});

test('a transaction that returns is committed and gives its result', async () => {
  expect(
    await transaction(pool, async (client) => {
      await client.query('insert into kept values (1)');
      return 'done';
    }),
  ).toBe('done');
  expect(await kept()).toEqual([1]);
});

test('a transaction that throws is rolled back and throws the same error', async () => {
  const surprise = new Error('surprise');
  await expect(
    transaction(pool, async (client) => {
      await client.query('insert into kept values (2)');
      throw surprise;
    }),
  ).rejects.toBe(surprise);
  expect(await kept()).toEqual([1]);
});

test('a transaction whose failed statement was swallowed does not pass for committed', async () => {
  await expect(
    transaction(pool, async (client) => {
      await client.query('insert into kept values (3)');
      await client.query('insert into kept values (1)').catch(() => undefined);
    }),
  ).rejects.toThrow('rolled back');
  expect(await kept()).toEqual([1]);
});

test('a connection that breaks inside a transaction is thrown away and the pool goes on', async () => {
  await expect(
    transaction(pool, async (client) => {
      await client.query('insert into kept values (4)');
      await client.query('select pg_terminate_backend(pg_backend_pid())');
    }),
  ).rejects.toMatchObject({ code: '57P01' });
  expect(await kept()).toEqual([1]);
});

test('an idle connection that breaks does not end the process', async () => {
  await pool.query('select 1');
  const other = createPool({ url: urls.payments, max: 1, name: 'executioner' });
  await other.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'test-pool'`,
  );
  await other.end();
  await expect
    .poll(async () =>
      pool.query('select 1').then(
        () => 'answered',
        () => 'broken',
      ),
    )
    .toBe('answered');
});
