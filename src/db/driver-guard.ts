import { registerHooks } from 'node:module';

const MENDED = [
  {
    broken: 'function nextWrite(fn) {',
    mended: `function nextWrite(fn) {
    if (socket === null) {
      chunk = nextWriteTimer = null
      error(Errors.connection('CONNECTION_CLOSED', options))
      return false
    }`,
    places: 1,
  },
  {
    broken: '    clearImmediate(nextWriteTimer)\n',
    mended: '    clearImmediate(nextWriteTimer)\n    chunk = nextWriteTimer = null\n',
    places: 2,
  },
  {
    broken: '    !hadError && (query || sent.length) && error(',
    mended: '    ;(query || sent.length) && error(',
    places: 1,
  },
  {
    broken: '        return fetchArrayTypes()\n',
    mended: '        return fetchArrayTypes().catch(() => undefined)\n',
    places: 1,
  },
];

/**
 * Mends postgres.js 3.4.9 while it is loaded; call it before anything imports the driver. When a
 * connection is cut inside a transaction, its ROLLBACK is written to a socket that is null: an
 * uncaught exception that ends the process. And a write that was buffered at that moment leaves the
 * connection unable to send ever again. A query that is sent between a socket's error and its close is
 * never settled. A connection that is cut while it asks for the array types leaves a rejection that
 * nobody handles. Sources: porsager/postgres#1154, #1208; pull request 1209.
 */
export function guardDriver(): void {
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      if (!url.endsWith('/postgres/src/connection.js') || !loaded.source) return loaded;
      const source =
        typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source);
      return { ...loaded, source: MENDED.reduce(mend, source) };
    },
  });
}

function mend(source: string, { broken, mended, places }: (typeof MENDED)[number]): string {
  if (source.split(broken).length !== places + 1) {
    throw new Error('src/db/driver-guard.ts does not match this version of postgres.js');
  }
  return source.replaceAll(broken, mended);
}
