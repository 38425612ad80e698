import type { Body, Engine, Pool } from './engine.ts';

// As LocalStack has it: a tag of a pool, and the beginning of a client's name. Containers are told
// the ids before anything starts, so the sandbox cannot choose them there.
const WISH = '_custom_id_';

/** What a caller of `CreateUserPool` adds to get this id. */
export const poolIdWish = (id: string): Record<string, string> => ({ [WISH]: id });

/** The `ClientName` for which `CreateUserPoolClient` gives this id. */
export const clientIdWish = (id: string): string => `${WISH}:${id}`;

export function wishedPoolId(options: Pool['options']): string | undefined {
  return options.UserPoolTags?.[WISH];
}

/** The answer of `CreateUserPoolClient`, after the client got the id and the name that were wished. */
export async function withWishedClientId(engine: Engine, pool: Pool, answer: Body): Promise<Body> {
  const made = answer['UserPoolClient'] as Body | undefined;
  const [, id] = String(made?.['ClientName']).split(`${WISH}:`);
  const client = id ? await engine.client(String(made?.['ClientId'])) : null;
  if (!id || client === null) return answer;
  const wished = { ClientId: id, ClientName: id };
  await pool.saveAppClient(engine.ctx, { ...client, ...wished });
  await pool.deleteAppClient(engine.ctx, client);
  return { UserPoolClient: { ...made, ...wished } };
}
