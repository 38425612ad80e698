// As LocalStack has it: a tag of a pool, and the beginning of a client's name. Containers are told
// the ids before anything starts, so the sandbox cannot choose them there.
const CUSTOM_ID = '_custom_id_';

/** What a caller of `CreateUserPool` adds to get this id. */
export const poolIdTag = (id: string): Record<string, string> => ({ [CUSTOM_ID]: id });

/** The `ClientName` for which `CreateUserPoolClient` gives this id. */
export const clientIdName = (id: string): string => `${CUSTOM_ID}:${id}`;

export function givenPoolId(options: {
  readonly UserPoolTags?: Record<string, string>;
}): string | undefined {
  return options.UserPoolTags?.[CUSTOM_ID];
}

export function givenClientId(clientName: string): string | undefined {
  const [, id] = clientName.split(`${CUSTOM_ID}:`);
  return id || undefined;
}
