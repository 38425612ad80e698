import { randomBytes } from 'node:crypto';

const RANDOM_PART = /[0-9a-f]{24}/;

/** Quotes, blanks and letters beyond ASCII: most forms of it look unlike the text itself. */
export function newCanary(): string {
  return `Kän"a\\r/y %+&<${randomBytes(12).toString('hex')}>ø`;
}

/** The part of a canary that is random; of another text the whole. */
export function randomPartOf(text: string): string {
  return RANDOM_PART.exec(text)?.[0] ?? text;
}

/** The forms in which a text may have been written down, by name. */
export function formsOf(text: string): ReadonlyMap<string, Buffer> {
  const utf8 = Buffer.from(text);
  const inJson = JSON.stringify(text).slice(1, -1);
  const inUrl = encodeURIComponent(text);
  const written: [string, Buffer | string][] = [
    // In clear wherever only part of it is written another way.
    ['random part', randomPartOf(text)],
    ['clear', utf8],
    ['Latin-1', Buffer.from(text, 'latin1')],
    ['JSON', inJson],
    ['JSON in JSON', JSON.stringify(inJson).slice(1, -1)],
    ['JSON in ASCII', inAscii(inJson)],
    ['URL', inUrl],
    ['URL, lower case', inUrl.replaceAll(/%../g, (octet) => octet.toLowerCase())],
    ['form', new URLSearchParams([['', text]]).toString().slice(1)],
    ['hex', utf8.toString('hex')],
    ['hex, upper case', utf8.toString('hex').toUpperCase()],
    ['UTF-16 LE', Buffer.from(text, 'utf16le')],
    ['UTF-16 BE', Buffer.from(text, 'utf16le').swap16()],
  ];
  for (const offset of [0, 1, 2]) {
    const base64 = base64At(offset, utf8);
    written.push([`base64, offset ${offset}`, base64]);
    written.push([`base64url, offset ${offset}`, base64.replaceAll('+', '-').replaceAll('/', '_')]);
  }
  return new Map(written.map(([name, form]) => [name, Buffer.from(form as string)]));
}

/** The forms of a text that are somewhere in these bytes. */
export function foundIn(pieces: Iterable<Buffer>, text: string): string[] {
  const forms = formsOf(text);
  const found = new Set<string>();
  for (const piece of pieces) {
    for (const [name, form] of forms) if (piece.includes(form)) found.add(name);
  }
  return [...found].toSorted();
}

/** Every text and every run of bytes in a value, keys too, however deep. */
export function* piecesOf(value: unknown): Generator<Buffer> {
  if (typeof value === 'string') yield Buffer.from(value);
  else if (value instanceof Uint8Array) yield Buffer.from(value);
  else if (Array.isArray(value)) for (const entry of value) yield* piecesOf(entry);
  else if (typeof value === 'object' && value !== null) {
    for (const [key, entry] of Object.entries(value)) {
      yield Buffer.from(key);
      yield* piecesOf(entry);
    }
  }
}

function inAscii(json: string): string {
  return json.replaceAll(
    /[^\0-\x7f]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

// Within a longer text base64 depends on where the bytes begin; what neighbours decide is left out.
function base64At(offset: number, bytes: Buffer): string {
  const shifted = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
  const from = Math.ceil((offset * 8) / 6);
  return shifted.slice(from, Math.floor(((offset + bytes.length) * 8) / 6));
}
