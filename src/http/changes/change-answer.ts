import type { RouteConfig } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { AppDeps, AppEnv } from '../app-deps.ts';
import { CHANGE_LINKS, json } from '../problems/answers.ts';
import { WAITED, waitSecondsOf } from '../request/prefer.ts';
import type { AcceptedChange } from '../users/accept-change.ts';
import { changeReceiptOf, waitForChangeAsPreferred } from './change-queries.ts';
import { changeProblemOf } from './outcome.ts';
import { ChangeSchema } from './schemas.ts';

const told = {
  ...WAITED,
  Location: 'URL of the change.',
  'Idempotent-Replayed': '`true` if the Idempotency-Key was used before.',
};

/** For the document: the answers to a request that makes a change. */
export const changeAnswers: RouteConfig['responses'] = {
  200: json(ChangeSchema, 'Completed within the wait, or earlier.', told, CHANGE_LINKS),
  202: json(ChangeSchema, 'Accepted; the change is in progress.', told, CHANGE_LINKS),
};

/** Answers with the receipt of an accepted change, after the wait that the request prefers.
 * @throws Problem where the change failed or was cancelled within the wait */
export async function answerWithChange(
  deps: AppDeps,
  c: Context<AppEnv>,
  { change: accepted, replayed }: AcceptedChange,
): Promise<Response> {
  if (replayed) c.header('Idempotent-Replayed', 'true');
  c.header('Location', `/changes/${accepted.id}`);
  const seconds = waitSecondsOf(c.req.header('prefer'));
  const change = await waitForChangeAsPreferred(deps, c, accepted, seconds);
  const problem = seconds === null ? null : changeProblemOf(change);
  if (problem) throw problem;
  return c.json(await changeReceiptOf(deps, change), change.status === 'completed' ? 200 : 202);
}
