import { join } from 'node:path';
import { jsonOf, readIfThere, writeFileSafely } from '../stack/files.ts';
import { damaged } from '../stack/state-error.ts';

type Tree = { [key: string]: unknown };

/** What cognito-local asks of a store; its first argument is a logging context. */
export interface DataStore {
  get(ctx: unknown, key: string | string[], fallback?: unknown): Promise<unknown>;
  getRoot(ctx: unknown): Promise<unknown>;
  set(ctx: unknown, key: string | string[], value: unknown): Promise<void>;
  delete(ctx: unknown, key: string | string[]): Promise<void>;
}

export interface Stores {
  create(ctx: unknown, id: string, defaults: object): Promise<DataStore>;
  /** Resolves when everything set before this call is in its file. */
  flushed(): Promise<void>;
}

// cognito-local's own store writes the whole file for each change and in place: slow, and
// a kill leaves half a file. Here changes made during one write share the next.
export function createStores(directory: string): Stores {
  const writers: { flush(): Promise<void> }[] = [];
  return {
    async create(_ctx, id, defaults) {
      const file = join(directory, `${id}.json`);
      const text = await readIfThere(file);
      const stored = text === undefined ? structuredClone(defaults) : parse(text);
      // Every file began as the defaults: one that lacks a part of them is not what was written.
      if (!isTree(stored) || !Object.keys(defaults).every((key) => Object.hasOwn(stored, key))) {
        throw damaged(file, 'it does not contain valid JSON');
      }
      const root = stored;
      const writer = createWriter(file, root);
      writers.push(writer);
      if (text === undefined) {
        writer.touch();
        await writer.flush();
      }
      return storeOver(root, () => writer.touch());
    },
    async flushed() {
      await Promise.all(writers.map((writer) => writer.flush()));
    },
  };
}

const keysOf = (key: string | string[]): string[] => (Array.isArray(key) ? key : [key]);

function storeOver(root: Tree, touch: () => void): DataStore {
  // Own properties only: a user may be called `constructor`.
  const enclosing = (keys: string[], make: boolean): Tree | undefined => {
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
    async get(_ctx, key, fallback) {
      const keys = keysOf(key);
      const last = keys.at(-1) ?? '';
      const tree = enclosing(keys, false);
      return (tree && Object.hasOwn(tree, last) ? tree[last] : undefined) ?? fallback ?? null;
    },
    async getRoot() {
      return root;
    },
    async set(_ctx, key, value) {
      const keys = keysOf(key);
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
    async delete(_ctx, key) {
      const keys = keysOf(key);
      const tree = enclosing(keys, false);
      if (tree) delete tree[keys.at(-1) ?? ''];
      touch();
    },
  };
}

function createWriter(file: string, root: Tree): { touch(): void; flush(): Promise<void> } {
  let dirty = false;
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
      if (dirty) {
        writing ??= write().finally(() => {
          writing = undefined;
        });
      }
      await writing;
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
