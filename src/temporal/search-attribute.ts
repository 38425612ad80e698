import type { ConnectionLike } from '@temporalio/client';
import { SEARCH_ATTRIBUTES } from '../../workflows/messages.ts';

/** temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD */
const KEYWORD = 2;

/** The search attributes that the namespace lacks. A run that sets one which is not there stalls for ever,
 * so workers ask before they poll. */
export async function missingSearchAttributes(
  connection: ConnectionLike,
  namespace: string,
): Promise<string[]> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  return SEARCH_ATTRIBUTES.filter((name) => customAttributes?.[name] !== KEYWORD);
}

/** Registers those that are missing. Repeatable. Throws where the service does not let an API do it. */
export async function ensureSearchAttributes(
  connection: ConnectionLike,
  namespace: string,
): Promise<void> {
  const missing = await missingSearchAttributes(connection, namespace);
  if (missing.length === 0) return;
  await connection.operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(missing.map((name) => [name, KEYWORD])),
  });
}

/** What a person runs where the API may not. */
export const SEARCH_ATTRIBUTE_COMMANDS = [
  `temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE"${SEARCH_ATTRIBUTES.map((name) => ` --name ${name} --type Keyword`).join('')}`,
  `tcld namespace search-attributes add --namespace "$TEMPORAL_NAMESPACE"${SEARCH_ATTRIBUTES.map((name) => ` --search-attribute ${name}=Keyword`).join('')}`,
];
