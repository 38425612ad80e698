import type { Body, Engine, Pool } from './engine.ts';

// As LocalStack has it: a tag of a pool, and the beginning of a client's name. Containers are told
// the ids before anything starts, so the sandbox cannot choose them there.
const CUSTOM_ID = '_custom_id_';

/** What a caller of `CreateUserPool` adds to get this id. */
export const poolIdTag = (id: string): Record<string, string> => ({ [CUSTOM_ID]: id });

/** The `ClientName` for which `CreateUserPoolClient` gives this id. */
export const clientIdName = (id: string): string => `${CUSTOM_ID}:${id}`;

export function givenPoolId(options: Pool['options']): string | undefined {
  return options.UserPoolTags?.[CUSTOM_ID];
}

/** The answer of `CreateUserPoolClient`, after the client got the id and the name that were given. */
export async function withGivenClientId(engine: Engine, pool: Pool, answer: Body): Promise<Body> {
  const made = answer['UserPoolClient'] as Body | undefined;
  const [, id] = String(made?.['ClientName']).split(`${CUSTOM_ID}:`);
  const client = id ? await engine.client(String(made?.['ClientId'])) : null;
  if (!id || client === null) return answer;
  const given = { ClientId: id, ClientName: id };
  await pool.saveAppClient(engine.ctx, { ...client, ...given });
  await pool.deleteAppClient(engine.ctx, client);
  return { UserPoolClient: { ...made, ...given } };
}
