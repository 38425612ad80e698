import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { REPOSITORY } from '../../support/program.ts';
import { actionsByProcess, operationsByMethod, operationsIn } from './cognito-actions.ts';

const Policy = z.object({
  Version: z.literal('2012-10-17'),
  Statement: z.tuple([
    z.object({
      Sid: z.string(),
      Effect: z.literal('Allow'),
      Action: z.array(z.string()),
      Resource: z.string(),
    }),
  ]),
});

async function allowed(name: string): Promise<{ actions: string[]; resource: string }> {
  const text = await readFile(`${REPOSITORY}deploy/iam/${name}.json`, 'utf8');
  const [statement] = Policy.parse(JSON.parse(text)).Statement;
  return { actions: statement.Action, resource: statement.Resource };
}

const byProcess = await actionsByProcess();
const PROCESSES = ['setup', 'api', 'worker'] as const;

describe.each(PROCESSES)('deploy/iam/%s.json', (name) => {
  test('each policy allows exactly the Cognito calls of its process', async () => {
    expect((await allowed(name)).actions).toEqual(byProcess[name]);
  });

  test('each policy is limited to one pool', async () => {
    expect((await allowed(name)).resource).toBe(
      'arn:aws:cognito-idp:REGION:ACCOUNT:userpool/POOL_ID',
    );
  });
});

test('every Cognito call of the code is allowed by some policy', async () => {
  const somebody = new Set(PROCESSES.flatMap((name) => byProcess[name]));
  expect(byProcess.any.filter((action) => !somebody.has(action))).toEqual([]);
  expect(byProcess.any.length).toBeGreaterThan(12);
});

test('the policy of the API neither creates nor deletes users, and no process lists pools', () => {
  expect(byProcess.api.filter((action) => /Create|Delete|Add|Remove|Set/.test(action))).toEqual([]);
  expect(byProcess.any.filter((action) => /UserPools$|:Delete/.test(action))).toEqual([]);
});

describe('each reading can fail', () => {
  test('a command and a paginator are seen', () => {
    const text =
      'await client.send(\n  new AdminDisableUserCommand(x));\npaginateListUsers({ client }';
    expect(operationsIn(text)).toEqual(['AdminDisableUser', 'ListUsers']);
  });

  test('a method of the adapter is seen, with all that it sends', () => {
    const adapter = `  return {
    one: (user, signal) =>
      at(async () => client.send(new AdminGetUserCommand(user))),
    two: async (user) => {
      await client.send(new AdminEnableUserCommand(user));
      for await (const page of paginateListGroups({ client }, pool)) use(page);
    },
  };`;
    expect([...operationsByMethod(adapter)]).toEqual([
      ['one', ['AdminGetUser']],
      ['two', ['AdminEnableUser', 'ListGroups']],
    ]);
  });
});
