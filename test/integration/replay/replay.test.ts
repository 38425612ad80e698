import { DeterminismViolationError } from '@temporalio/workflow';
import { Worker, type WorkflowBundleOption } from '@temporalio/worker';
import { beforeAll, expect, test } from 'vitest';
import { workflowBundle } from '../../../worker/bundle.ts';
import { CHANGE_ENDINGS } from './change-endings.ts';
import { ENDINGS } from './endings.ts';
import { frozenNames, readHistory } from './history-files.ts';

const names = await frozenNames();
let bundle: WorkflowBundleOption;
beforeAll(async () => {
  bundle = await workflowBundle();
});

const replay = (json: string): Promise<void> =>
  Worker.runReplayHistory({ workflowBundle: bundle }, JSON.parse(json));

test('every ending has a frozen history', () => {
  const endings = [...ENDINGS, ...CHANGE_ENDINGS].map(({ name }) => name);
  expect(names).toEqual(endings.toSorted());
});

test.each(names)('%s replays', async (name) => {
  await expect(replay(await readHistory(name))).resolves.toBeUndefined();
});

// The proof that the tests above can fail: each alteration is one a careless change would make.
test.each([
  ['compensated', '"deleteUser"', '"dropUser"'],
  ['completed-by-activities', '"assignRole:viewer"', '"assignRole:manager"'],
  ['completed-with-a-password', '"setPassword"', '"setAnyPassword"'],
  ['parked-and-resumed', '"acknowledgeInstruction"', '"acknowledgeAnotherInstruction"'],
  ['change-deleted', '"signOut"', '"signIn"'],
  ['change-of-roles-completed', '"assignRole:manager"', '"assignRole:viewer"'],
  ['change-parked-and-retried', '"nextChange"', '"anotherChange"'],
  ['change-failed-and-put-back', '"restoreChange"', '"keepChange"'],
])('%s, altered, does not replay', async (name, from, to) => {
  const json = await readHistory(name);
  expect(json).toContain(from);
  await expect(replay(json.replaceAll(from, to))).rejects.toThrow(DeterminismViolationError);
});

test.each(names)('%s holds no address', async (name) => {
  const json = (await readHistory(name)).replaceAll(/"data": ?"([^"]*)"/g, (_, data: string) =>
    Buffer.from(data, 'base64').toString('utf8'),
  );
  expect(json).toMatch(/registrationId|userId/);
  expect(json).not.toMatch(/@example\.com/);
});
