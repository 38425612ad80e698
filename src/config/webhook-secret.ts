import type { EnvironmentReader } from './environment-reader.ts';

/** A secret of Standard Webhooks. Refuses the variable where it is missing or malformed. */
export function readWebhookSecret(read: EnvironmentReader, name: string): string {
  const secret = read.optional(name);
  if (secret === null) read.refuse(name, 'missing');
  else if (!isWebhookSecret(secret)) {
    read.refuse(name, 'must be whsec_ followed by the base64 of 24 to 64 bytes');
  }
  return secret ?? '';
}

function isWebhookSecret(text: string): boolean {
  const [, base64] =
    /^whsec_((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/.exec(text) ?? [];
  const bytes = base64 === undefined ? 0 : Buffer.from(base64, 'base64').length;
  return bytes >= 24 && bytes <= 64;
}
