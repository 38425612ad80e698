import type { Body, Engine, Pool } from './engine.ts';
import { givenClientId } from './given-id.ts';

/** The answer of `CreateUserPoolClient`, after the client got the id and the name that were given. */
export async function withGivenClientId(engine: Engine, pool: Pool, answer: Body): Promise<Body> {
  const made = answer['UserPoolClient'] as Body | undefined;
  const id = givenClientId(String(made?.['ClientName']));
  const client = id ? await engine.client(String(made?.['ClientId'])) : null;
  if (!id || client === null) return answer;
  const given = { ClientId: id, ClientName: id };
  await pool.saveAppClient(engine.ctx, { ...client, ...given });
  await pool.deleteAppClient(engine.ctx, client);
  return { UserPoolClient: { ...made, ...given } };
}
