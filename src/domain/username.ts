/** The one form of a username that the ledger and Cognito ever see: without blanks around it, in one
 * Unicode form. Case stays as it was sent, and does not count. */
export function normaliseUsername(text: string): string {
  return text.normalize('NFC').trim();
}
