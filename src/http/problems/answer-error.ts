import type { Context } from 'hono';
import { RateLimited } from '../access/limits.ts';
import { KeysUnavailable, TokenRejected } from '../access/tokens.ts';
import { ProviderUnavailable } from '../../domain/role.ts';
import { DatabaseError } from '../../ledger/database-error.ts';
import { Problem } from './problem-details.ts';
import type { AppEnv, Log } from '../app-deps.ts';
import { DoorError } from '../public-form/error.ts';

/** The one place where an error becomes an answer. */
export async function answerError(
  c: Context<AppEnv>,
  error: unknown,
  logger: Log,
): Promise<Response> {
  const answer =
    error instanceof DoorError ? answerDoor(error) : await answerProblem(c, error, logger);
  // Keep headers that the handler set before it failed, such as Preference-Applied.
  c.res.headers.forEach((value, name) => {
    if (!answer.headers.has(name)) answer.headers.set(name, value);
  });
  return answer;
}

async function answerProblem(c: Context<AppEnv>, error: unknown, logger: Log): Promise<Response> {
  const { requestId, registrationId, changeId, plainErrors, errorPage } = c.var;
  const problem = toProblem(error);
  if (problem.code === 'internal') {
    logger.error({ requestId, registrationId, changeId, ...describe(error) }, 'internal error');
  } else if (problem !== error && problem.code === 'unavailable') {
    logger.warn(
      { requestId, registrationId, changeId, ...describe(error) },
      'dependency unavailable',
    );
  }
  const headers = problem.headers();
  const body = problem.body(requestId);
  if (errorPage) {
    const page = await errorPage(body);
    for (const [name, value] of Object.entries(headers)) {
      if (name !== 'content-type') page.headers.set(name, value);
    }
    return page;
  }
  if (!plainErrors) return answerJson(body, body.status, headers);
  const own = problem.code === 'internal' ? plainErrors.internal : null;
  const plain = own === null ? { detail: body.detail, code: body.code } : { detail: own };
  return answerJson(plain, body.status, { ...headers, 'content-type': 'application/json' });
}

function answerDoor({ status, detail, headers }: DoorError): Response {
  return answerJson({ detail }, status, { ...headers, 'content-type': 'application/json' });
}

function answerJson(body: object, status: number, headers: Record<string, string>): Response {
  return new Response(JSON.stringify(body), { status, headers });
}

function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof TokenRejected) {
    const challenge = error.message === TokenRejected.MISSING ? '' : ' error="invalid_token"';
    return new Problem('unauthenticated', {
      headers: { 'www-authenticate': `Bearer${challenge}` },
    });
  }
  if (error instanceof RateLimited) {
    const headers = { 'retry-after': String(error.retryAfterSeconds) };
    return new Problem('rate_limited', { headers });
  }
  const away =
    error instanceof KeysUnavailable ||
    error instanceof ProviderUnavailable ||
    (error instanceof DatabaseError && !error.definitive);
  return new Problem(away ? 'unavailable' : 'internal');
}

// No messages of errors: those of a driver or a library may contain data that a caller sent.
function describe(error: unknown): object {
  if (error instanceof DatabaseError) return { error: error.name, sqlstate: error.sqlstate };
  if (!(error instanceof Error)) return { error: 'not an Error' };
  const frames = error.stack?.split('\n').filter((line) => /^\s+at /.test(line));
  return { error: error.name, stack: frames?.slice(0, 10).join('\n') };
}
