import { html } from 'hono/html';
import type { Document } from './mount.ts';
import { prose } from '../page.ts';

type PathItem = NonNullable<Document['paths']>[string];
type Operation = NonNullable<PathItem['get']>;
type Schema = Extract<NonNullable<NonNullable<Document['components']>['schemas']>[string], object>;

const METHODS = ['get', 'post', 'put', 'delete'] as const;

/** The document as plain HTML: no script, nothing loaded. */
export function renderReader(document: Document) {
  const operations = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method];
      return operation ? [{ method, path, operation }] : [];
    }),
  );
  return html`<h1>${document.info.title}</h1>
    <p>${prose(document.info.description ?? '')}</p>
    <p class="dim">
      OpenAPI ${document.openapi} · <a href="/openapi.json">openapi.json</a> ·
      <a href="/problems">problems</a>
    </p>
    ${(document.tags ?? []).map(
      ({ name }) =>
        html`<h2>${name}</h2>
          ${operations
            .filter(({ operation }) => operation.tags?.includes(name))
            .map(({ method, path, operation }) => renderOperation(method, path, operation))}`,
    )}
    <h2>Schemas</h2>
    ${Object.entries(document.components?.schemas ?? {}).map(
      ([name, schema]) =>
        html`<section id="schema-${name}">
          <details>
            <summary><code>${name}</code></summary>
            <div>${renderSchema(schema)}</div>
          </details>
        </section>`,
    )}`;
}

function renderOperation(method: string, path: string, operation: Operation) {
  const { summary, description, operationId, requestBody } = operation;
  return html`<section id="${operationId}">
    <details>
      <summary>
        <span class="method">${method.toUpperCase()}</span><code>${path}</code>
        <span class="dim">${summary}</span>
      </summary>
      <div>
        <p>${prose(description ?? '')}</p>
        <p class="dim">
          <code>${operationId}</code>${operation.security ? ' · bearer access token' : ''}
        </p>
        ${renderParameters(operation)}
        ${
          requestBody && 'content' in requestBody
            ? html`<h3>Body</h3>
                ${renderContent(requestBody.content)}`
            : ''
        }
        <h3>Answers</h3>
        ${renderAnswers(operation)}
      </div>
    </details>
  </section>`;
}

function renderParameters({ parameters = [] }: Operation) {
  const rows = parameters.flatMap((parameter) =>
    'name' in parameter
      ? [
          html`<tr>
            <td><code>${parameter.name}</code></td>
            <td class="dim">${parameter.in}</td>
            <td>${renderType(parameter.schema)} ${prose(parameter.description ?? '')}</td>
          </tr>`,
        ]
      : [],
  );
  return rows.length === 0
    ? ''
    : html`<h3>Parameters</h3>
        <table>
          ${rows}
        </table>`;
}

function renderAnswers({ responses = {} }: Operation) {
  const rows = Object.entries<unknown>(responses).map(([status, answer]) => {
    const described: { description?: string; content?: Content } =
      typeof answer === 'object' && answer !== null ? answer : {};
    return html`<tr>
      <td><code>${status}</code></td>
      <td>${prose(described.description ?? '')} ${renderContent(described.content ?? {})}</td>
    </tr>`;
  });
  return html`<table>
    ${rows}
  </table>`;
}

type Content = Record<string, { schema?: unknown; examples?: Record<string, unknown> }>;

function renderContent(content: Content) {
  return Object.values(content).map(
    ({ schema, examples = {} }) =>
      html`${renderType(schema)}
      ${Object.entries(examples).map(
        ([name, example]) =>
          html`<details>
            <summary class="dim">${name}</summary>
            <pre>${pretty(valueOf(example))}</pre>
          </details>`,
      )}`,
  );
}

/** A name where the schema has one, else the schema itself. */
function renderType(schema: unknown) {
  const name = refOf(schema);
  if (name !== null) return html`<a href="#schema-${name}"><code>${name}</code></a>`;
  if (typeof schema !== 'object' || schema === null) return '';
  // The description is shown separately.
  const constraints = Object.entries(schema).filter(([key]) => key !== 'description');
  return html`<code>${JSON.stringify(Object.fromEntries(constraints))}</code>`;
}

function renderSchema(schema: Schema) {
  const { properties, required = [] } = 'properties' in schema ? schema : {};
  if (!properties) return html`<pre>${pretty(schema)}</pre>`;
  return html`<table>
    ${Object.entries(properties).map(
      ([name, property]) =>
        html`<tr>
          <td><code>${name}</code></td>
          <td class="dim">${required.includes(name) ? 'required' : ''}</td>
          <td>${renderType(property)} ${prose(property.description ?? '')}</td>
        </tr>`,
    )}
  </table>`;
}

function refOf(schema: unknown): string | null {
  if (typeof schema !== 'object' || schema === null || !('$ref' in schema)) return null;
  return String(schema.$ref).split('/').at(-1) ?? null;
}

function valueOf(example: unknown): unknown {
  return typeof example === 'object' && example !== null && 'value' in example
    ? example.value
    : example;
}

function pretty(value: unknown): string {
  return JSON.stringify(value, null, 2);
}
