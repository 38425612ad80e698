/** What came over a stream: an event with its JSON, or a comment. */
export type Item =
  // oxlint-disable-next-line typescript/no-explicit-any -- receipts are asserted, not typed
  | { readonly event: string; readonly id: string; readonly data: any }
  | { readonly comment: string };

/** Reads server-sent events one by one. Their data is JSON, unless the constructor is told otherwise. */
export class EventReader {
  readonly #reader: ReadableStreamDefaultReader<string>;
  readonly #parse: (data: string) => unknown;
  #text = '';

  constructor(
    body: ReadableStream<Uint8Array<ArrayBuffer>> | null,
    parse: (data: string) => unknown = JSON.parse,
  ) {
    if (!body) throw new Error('no body');
    this.#parse = parse;
    this.#reader = body.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** The next event or comment; null at the end. */
  async next(): Promise<Item | null> {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end !== -1) {
        const block = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        return itemOf(block, this.#parse);
      }
      const { done, value } = await this.#reader.read();
      if (done) return null;
      this.#text += value;
    }
  }

  /** The next event, comments left out; null at the end. */
  async event() {
    for (;;) {
      const item = await this.next();
      if (item === null || 'event' in item) return item;
    }
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel();
  }
}

function itemOf(block: string, parse: (data: string) => unknown): Item {
  if (block.startsWith(': ')) return { comment: block.slice(2) };
  const fields = new Map<string, string>();
  for (const line of block.split('\n')) {
    const [name = '', ...rest] = line.split(': ');
    const before = fields.get(name);
    const value = rest.join(': ');
    fields.set(name, before === undefined ? value : `${before}\n${value}`);
  }
  const data = fields.get('data');
  return {
    event: fields.get('event') ?? '',
    id: fields.get('id') ?? '',
    data: data === undefined ? null : parse(data),
  };
}
