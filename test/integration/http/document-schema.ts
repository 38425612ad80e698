import { z } from '@hono/zod-openapi';

type Json = Record<string, unknown>;

/**
 * A check of values against a schema of the document, as its readers have it: with the formats it
 * names, and without a field that it does not describe.
 */
export function documented(document: Json, schema: object): z.ZodType {
  const { schemas } = document['components'] as { schemas: Json };
  const text = JSON.stringify({ ...schema, $defs: schemas });
  const standalone = JSON.parse(text.replaceAll('#/components/schemas/', '#/$defs/')) as Json;
  return z.fromJSONSchema(closed(standalone) as Parameters<typeof z.fromJSONSchema>[0]);
}

/** The same schema, with what an object does not describe refused. */
function closed(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(closed);
  if (typeof node !== 'object' || node === null) return node;
  const inner = Object.fromEntries(
    Object.entries(node)
      // zod takes a reference for a whole URL.
      .filter(([, value]) => value !== 'uri-reference')
      .map(([key, value]) => [key, closed(value)]),
  );
  return 'properties' in node && !('additionalProperties' in node)
    ? { ...inner, additionalProperties: false }
    : inner;
}
