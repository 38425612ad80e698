import type { Context } from 'hono';
import { Problem } from '../problems/problem-details.ts';

const MAX_BODY_BYTES = 64 * 1024;
/** How much of a too large body is read and discarded, so that the sender can read the response
 * instead of getting a connection reset. */
const MAX_DISCARDED_BYTES = 8 * 1024 * 1024;
const JSON_TYPE = /^application\/json\s*(;|$)/i;
const FORM_TYPE = /^application\/x-www-form-urlencoded\s*(;|$)/i;

/** The JSON body of a request. @throws Problem */
export async function readJson(c: Context): Promise<unknown> {
  if (!isJson(c)) throw new Problem('unsupported_media_type');
  return parseJson(await readBytes(c));
}

/** As readJson, for a body that may be absent: then it is `{}`. */
export async function readOptionalJson(c: Context): Promise<unknown> {
  const bytes = await readBytes(c);
  if (bytes.length === 0) return {};
  if (!isJson(c)) throw new Problem('unsupported_media_type');
  return parseJson(bytes);
}

/** The fields of a form, in their order. @throws Problem */
export async function readForm(c: Context): Promise<URLSearchParams> {
  if (!FORM_TYPE.test(c.req.header('content-type') ?? '')) {
    throw new Problem('unsupported_media_type', { detail: 'The form was sent in another format.' });
  }
  const bytes = await readBytes(c);
  try {
    return new URLSearchParams(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new Problem('invalid_request', { detail: 'The form is not valid UTF-8.' });
  }
}

function isJson(c: Context): boolean {
  return JSON_TYPE.test(c.req.header('content-type') ?? '');
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new Problem('malformed_json');
  }
}

/** The sender disconnected, or was disconnected for being too slow: not an internal error. */
function brokenOff(): never {
  throw new Problem('invalid_request', { detail: 'The request body is incomplete.' });
}

async function readBytes(c: Context): Promise<Uint8Array> {
  const announced = c.req.header('content-length');
  if (announced !== undefined) {
    if (Number(announced) > MAX_BODY_BYTES) throw new Problem('payload_too_large');
    // Node reads no more than was announced. A stream costs ten times as much as this.
    return new Uint8Array(await c.req.raw.arrayBuffer().catch(brokenOff));
  }
  const stream: ReadableStream<Uint8Array> | null = c.req.raw.body;
  if (!stream) return new Uint8Array();
  const reader = stream.getReader();
  const chunks: Uint8Array[] = [];
  let total = 0;
  while (total <= MAX_DISCARDED_BYTES) {
    const { done, value } = await reader.read().catch(brokenOff);
    if (done) break;
    total += value.length;
    if (total <= MAX_BODY_BYTES) chunks.push(value);
    else chunks.length = 0;
  }
  if (total > MAX_BODY_BYTES) throw new Problem('payload_too_large');
  return Buffer.concat(chunks);
}
