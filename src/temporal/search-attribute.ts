import type { ConnectionLike } from '@temporalio/client';
import { STATUS_ATTRIBUTE } from '../../workflows/messages.ts';

/** temporal.api.enums.v1.IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD */
const KEYWORD = 2;

/** A run that sets an attribute which is not there stalls for ever, so workers ask before they poll. */
export async function hasStatusAttribute(
  connection: ConnectionLike,
  namespace: string,
): Promise<boolean> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  return customAttributes?.[STATUS_ATTRIBUTE] === KEYWORD;
}

/** Registers it where it is missing. Repeatable. Throws where the service does not let an API do it. */
export async function ensureStatusAttribute(
  connection: ConnectionLike,
  namespace: string,
): Promise<void> {
  if (await hasStatusAttribute(connection, namespace)) return;
  await connection.operatorService.addSearchAttributes({
    namespace,
    searchAttributes: { [STATUS_ATTRIBUTE]: KEYWORD },
  });
}

/** What a person runs where the API may not. */
export const STATUS_ATTRIBUTE_COMMANDS = [
  `temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" --name ${STATUS_ATTRIBUTE} --type Keyword`,
  `tcld namespace search-attributes add --namespace "$TEMPORAL_NAMESPACE" --search-attribute ${STATUS_ATTRIBUTE}=Keyword`,
];
