import { runMain } from '../src/run-main.ts';
import { answerLines } from './answer-lines.ts';

const USAGE = `usage: npm run --silent request -- GET|POST|PUT|DELETE /path [name=text] [name:=json]
Needs the environment variables API, the address of the API, and TOKEN, an access token.`;
const METHODS = ['GET', 'POST', 'PUT', 'DELETE'];
/** A request may wait for up to 60 s. */
const ANSWERS_WITHIN_MS = 90_000;

await runMain(async () => {
  const [method = '', path = '', ...fields] = process.argv.slice(2);
  const { API: api = '', TOKEN: token = '' } = process.env;
  if (!METHODS.includes(method) || !path.startsWith('/')) throw new Error(USAGE);
  if (!URL.canParse(path, api) || token === '') {
    throw new Error(`API or TOKEN is missing: see "Get a token" in docs/runbook.md. ${USAGE}`);
  }
  const url = new URL(path, api);
  // `//host/path` names another server, which must not get the token.
  if (url.origin !== new URL(api).origin)
    throw new Error(`${path} is no path of the API. ${USAGE}`);
  const answer = await send(method, url, token, fields.map(readField));
  process.stdout.write(`${linesOf(answer.status, await answer.text()).join('\n')}\n`);
  if (!answer.ok) process.exitCode = 1;
});

function linesOf(status: number, text: string): string[] {
  try {
    return answerLines(JSON.parse(text));
  } catch {
    // Metrics, or the page of a proxy.
    return [text.trim() || `HTTP ${status}`];
  }
}

/** Fields are query parameters of a GET, otherwise the body. */
async function send(
  method: string,
  url: URL,
  token: string,
  fields: readonly (readonly [string, unknown])[],
): Promise<Response> {
  if (method === 'GET') {
    for (const [name, value] of fields) url.searchParams.append(name, String(value));
  }
  const hasBody = method !== 'GET' && fields.length > 0;
  const body = hasBody ? JSON.stringify(Object.fromEntries(fields)) : null;
  const headers = {
    authorization: `Bearer ${token}`,
    ...(hasBody && { 'content-type': 'application/json' }),
  };
  const signal = AbortSignal.timeout(ANSWERS_WITHIN_MS);
  return await fetch(url, { method, headers, body, signal }).catch((error: unknown) => {
    const { cause = error } = error instanceof Error ? error : {};
    const why = cause instanceof Error && 'code' in cause ? String(cause.code) : 'no answer';
    throw new Error(`The API at ${url.origin} does not answer: ${why}`);
  });
}

/** As HTTPie writes them: `name=text` and `name:=json`. */
function readField(text: string): readonly [string, unknown] {
  const {
    name,
    isJson,
    value = '',
  } = /^(?<name>\w+)(?<isJson>:?)=(?<value>.*)$/s.exec(text)?.groups ?? {};
  if (name === undefined) throw new Error(`${text} is no field. ${USAGE}`);
  if (isJson === '') return [name, value];
  try {
    return [name, JSON.parse(value)];
  } catch {
    throw new Error(`The value of ${name} is not valid JSON. ${USAGE}`);
  }
}
