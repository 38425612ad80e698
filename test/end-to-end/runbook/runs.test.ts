import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type OwnTemporal, ownTemporal } from '../../support/own-temporal.ts';
import { line, OnCall, testSections } from './on-call.ts';
import { RUNS } from './sections.ts';

const AWAY = { kind: 'server', status: 503 } as const;
const NO_GROUP = { kind: 'error', error: 'ResourceNotFoundException' } as const;
const ADD_ROLE = 'AdminAddUserToGroup';
/** A run that was terminated counts as ended a minute after the sweep saw it first. */
const UNDONE = { timeout: 180_000, interval: 3000 };
const SOON = { timeout: 60_000 };

const temporal: OwnTemporal | undefined = await ownTemporal();
let onCall: OnCall;

/** As the button of the UI does. */
async function terminates(workflowId: string): Promise<void> {
  await theTemporal().command('workflow', 'terminate', '-w', workflowId, '--reason', 'a mistake');
}

/** As the button of the UI does. @returns the new run's id */
async function resets(id: string): Promise<string> {
  const how = ['-t', 'FirstWorkflowTask', '--reason', 'a mistake', '-o', 'json'];
  const args = ['workflow', 'reset', '-w', `register-user/${id}`, ...how];
  const { runId } = JSON.parse(await theTemporal().command(...args)) as { runId: string };
  return runId;
}

/** How the run stands in the Temporal UI. */
async function runOf(id: string, runId: string): Promise<string> {
  const args = ['workflow', 'describe', '-w', `register-user/${id}`, '-r', runId, '-o', 'json'];
  return await theTemporal().command(...args);
}

function theTemporal(): OwnTemporal {
  if (!temporal) throw new Error('no Temporal program here');
  return temporal;
}

async function parked(name: string): Promise<string> {
  await onCall.breaks(name, {
    operation: ADD_ROLE,
    match: { email: `${name}@example.com` },
    fault: AWAY,
  });
  const id = await onCall.register(`${name}@example.com`);
  await onCall.until(id, 'roles_pending');
  return id;
}

const isWhole = async (email: string, id: string): Promise<void> => {
  await onCall.until(id, 'completed');
  expect(await onCall.inPool(email)).toEqual([{ email, mark: id, roles: ['viewer'] }]);
};

const receipt = async (id: string) => (await onCall.call('GET', `/registrations/${id}`)).body;
const pastes = async (text: string) => (await onCall.paste(text)).output;

describe.runIf(temporal !== undefined)('with a Temporal of its own', () => {
  let terminated = '';
  let reset = '';
  let change = '';
  let accepted = '';

  beforeAll(async () => {
    await theTemporal().start();
    // Only the operator sweeps.
    onCall = await OnCall.arrive({ SWEEP_INTERVAL_SECONDS: '3600' }, theTemporal().address);
  }, 240_000);
  afterAll(async () => {
    await onCall.leave();
    await theTemporal().remove();
  });

  testSections(
    RUNS,
    {
      'A run was terminated (1)': {
        async first() {
          terminated = await parked('ended');
          await terminates(`register-user/${terminated}`);
          await onCall.mends('ended');
          await onCall.type('ID', terminated);
          await onCall.type('EMAIL', 'ended@example.com');
        },
        shows(output) {
          expect(output).toEqual(line(terminated, 'roles_pending'));
          expect(output).toMatch(/^0 found$/m);
        },
      },
      'A run was terminated (2)': {
        async shows(output) {
          expect(output).toContain('"compensated":0');
          const again = async () => {
            await onCall.paste('npm run sweep');
            return (await receipt(terminated))['status'];
          };
          await expect.poll(again, UNDONE).toBe('failed');
          expect(await onCall.inPool('ended@example.com')).toEqual([]);
          const list = await pastes('api GET /registrations status=failed failureCode=terminated');
          expect(list).toEqual(line(terminated, 'failed ended@example.com .*: terminated'));
        },
      },
      'A run was terminated (3)': {
        shows: (output) => isWhole('ended@example.com', output.split(' ', 1)[0] ?? ''),
      },
      'A run was reset (1)': {
        async first() {
          const { id: whole } = await onCall.registered('whole@example.com');
          await resets(whole);
          await expect
            .poll(() => pastes(`api GET /registrations/${whole}`), SOON)
            .toEqual(line(whole, 'completed'));
          await onCall.breaks('fails', {
            operation: ADD_ROLE,
            match: { email: 'fails@example.com' },
            fault: NO_GROUP,
          });
          const failed = await onCall.register('fails@example.com');
          await onCall.until(failed, 'failed');
          const runId = await resets(failed);
          await expect.poll(() => runOf(failed, runId), SOON).toContain('already_closed');
          expect(await pastes(`api GET /registrations/${failed}`)).toEqual(line(failed, 'failed'));
          expect(await onCall.inPool('fails@example.com')).toEqual([]);
          await isWhole('whole@example.com', whole);

          reset = await parked('again');
          const newRun = await resets(reset);
          await expect
            .poll(async () => (await receipt(reset))['workflow'], SOON)
            .toMatchObject({ runId: newRun });
          await onCall.until(reset, 'roles_pending');
          await onCall.type('ID', reset);
        },
        shows(output) {
          expect(output).toEqual(line(reset, 'roles_pending again@example.com'));
          expect(output).toContain(`  then: npm run request -- POST /registrations/${reset}/retry`);
        },
      },
      'A run was reset (2)': {
        first: () => onCall.mends('again'),
        shows: () => isWhole('again@example.com', reset),
      },
      'A change does not end (1)': {
        async first() {
          const { userId } = await onCall.registered('waits@example.com');
          await onCall.restart({ IN_PROCESS_WORKER: 'false' });
          const answer = await onCall.call('DELETE', `/users/${userId}`);
          expect(answer).toMatchObject({ status: 202, body: { status: 'accepted' } });
          change = String(answer.body['id']);
        },
        shows(output) {
          expect(output).toEqual(line(change, 'delete accepted user '));
          // For two minutes the worker counts as there.
          expect(output).toMatch(/^changes:\n {2}1 accepted, 0 running/m);
        },
      },
      'A change does not end (2)': {
        async first() {
          await onCall.deployment.worker();
        },
        async shows() {
          await onCall.until(change, 'completed', 'changes');
          expect(await onCall.inPool('waits@example.com')).toEqual([]);
        },
      },
      'Accepted but not starting (1)': {
        async first() {
          await theTemporal().stop();
          const ready = async () => (await onCall.call('GET', '/health/ready')).body['temporal'];
          await expect.poll(ready, SOON).toBe('degraded');
          accepted = await onCall.register('starts@example.com');
          expect(await pastes('npm run status')).toMatch(
            /^ {2}Temporal at \S+ does not answer: .* Restore it;/m,
          );
        },
        shows: (output) => expect(output).toContain('postgres: ok\ntemporal: degraded\n'),
      },
      'Accepted but not starting (2)': {
        first: () => theTemporal().start(),
        shows: () => isWhole('starts@example.com', accepted),
      },
    },
    () => onCall,
  );

  test('a terminated run of a person is started again by the pasted sweep, and ends the change', async () => {
    const { userId } = await onCall.registered('moves@example.com');
    await onCall.breaks('move', {
      operation: 'AdminUserGlobalSignOut',
      match: { email: 'moves@example.com' },
      fault: AWAY,
    });
    const { body } = await onCall.call('POST', `/users/${userId}/sign-out`);
    const id = String(body['id']);
    await onCall.until(id, 'parked', 'changes');
    await terminates(`user/${userId}`);
    await onCall.mends('move');
    const { failed } = await onCall.paste(`api POST /changes/${id}/retry`);
    expect(failed).toEqual([]);
    const swept = async () => {
      await onCall.paste('npm run sweep');
      return (await onCall.call('GET', `/changes/${id}`)).body['status'];
    };
    await expect.poll(swept, UNDONE).toBe('completed');
  }, 200_000);
});
