import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { jsonOf, readIfThere, writeFileSafely } from '../stack/files.ts';
import { damaged } from '../stack/state-error.ts';

type Tree = { [key: string]: unknown };

/** One JSON file, in memory. A key is the path to a value. */
export interface DataStore {
  get(key: readonly string[]): unknown;
  set(key: readonly string[], value: unknown): void;
  delete(key: readonly string[]): void;
}

export interface Stores {
  create(id: string, defaults: object): Promise<DataStore>;
  /** Deletes the file, for good: a write under way does not bring it back. */
  delete(id: string): Promise<void>;
  /** Resolves when everything set before this call is in its file. */
  flushed(): Promise<void>;
}

// Each write is of the whole file: changes made during one write share the next.
export function createStores(directory: string): Stores {
  const writers = new Map<string, Writer>();
  const fileOf = (id: string): string => join(directory, `${id}.json`);
  return {
    async create(id, defaults) {
      const file = fileOf(id);
      const text = await readIfThere(file);
      const stored = text === undefined ? structuredClone(defaults) : parse(text);
      // Every file began as the defaults: one that lacks a part of them is not what was written.
      if (!isTree(stored) || !Object.keys(defaults).every((key) => Object.hasOwn(stored, key))) {
        throw damaged(file, 'it does not contain valid JSON');
      }
      const root = stored;
      const writer = createWriter(file, root);
      writers.set(id, writer);
      if (text === undefined) {
        writer.touch();
        await writer.flush();
      }
      return storeOver(root, () => writer.touch());
    },
    async delete(id) {
      await writers.get(id)?.end();
      writers.delete(id);
      await rm(fileOf(id), { force: true });
    },
    async flushed() {
      await Promise.all([...writers.values()].map((writer) => writer.flush()));
    },
  };
}

function storeOver(root: Tree, touch: () => void): DataStore {
  // Own properties only: a user may be called `constructor`.
  const enclosing = (keys: readonly string[], make: boolean): Tree | undefined => {
    let tree: Tree = root;
    for (const key of keys.slice(0, -1)) {
      if (!Object.hasOwn(tree, key)) {
        if (!make) return undefined;
        tree[key] = {};
      }
      tree = tree[key] as Tree;
    }
    return tree;
  };
  return {
    get(keys) {
      const last = keys.at(-1) ?? '';
      const tree = enclosing(keys, false);
      return tree && Object.hasOwn(tree, last) ? tree[last] : undefined;
    },
    set(keys, value) {
      const tree = enclosing(keys, true);
      if (tree) {
        Object.defineProperty(tree, keys.at(-1) ?? '', {
          value,
          enumerable: true,
          configurable: true,
          writable: true,
        });
      }
      touch();
    },
    delete(keys) {
      const tree = enclosing(keys, false);
      if (tree) delete tree[keys.at(-1) ?? ''];
      touch();
    },
  };
}

interface Writer {
  touch(): void;
  flush(): Promise<void>;
  /** Nothing is written from now on; resolves when the write under way is over. */
  end(): Promise<void>;
}

function createWriter(file: string, root: Tree): Writer {
  let dirty = false;
  let ended = false;
  let writing: Promise<void> | undefined;
  const write = async (): Promise<void> => {
    dirty = false;
    try {
      await writeFileSafely(file, JSON.stringify(root));
    } catch (error) {
      // What a full disk did not take is still to be written.
      dirty = true;
      throw error;
    }
  };
  return {
    touch() {
      dirty = true;
    },
    async flush() {
      // A write under way may have begun before the last change: that one needs the next.
      await writing;
      if (dirty && !ended) {
        writing ??= write().finally(() => {
          writing = undefined;
        });
      }
      await writing;
    },
    async end() {
      ended = true;
      // The pool is going: whether its last write failed no longer matters.
      await writing?.catch(() => undefined);
    },
  };
}

function parse(text: string): unknown {
  return jsonOf(text, (key, value) =>
    key.endsWith('Date') && typeof value === 'string' ? new Date(value) : value,
  );
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null;
}
