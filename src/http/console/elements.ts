import { jsx } from 'hono/jsx';

// oxlint-disable unicorn/no-useless-spread -- so that a line holds one group of elements
const TAGS = [
  ...['html', 'head', 'body', 'meta', 'link', 'title', 'script', 'noscript'],
  ...['header', 'nav', 'main', 'footer', 'section', 'article', 'aside', 'search'],
  ...['div', 'span', 'p', 'wbr'],
  ...['h1', 'h2', 'h3', 'ul', 'ol', 'li', 'dl', 'dt', 'dd', 'figure', 'figcaption', 'hr', 'br'],
  ...['a', 'strong', 'em', 'small', 'code', 'pre', 'time', 'details', 'summary', 'dialog'],
  ...['table', 'caption', 'thead', 'tbody', 'tr', 'th', 'td'],
  ...['form', 'fieldset', 'legend', 'label', 'input', 'textarea', 'select', 'option', 'button'],
  ...['svg', 'g', 'path', 'rect', 'circle', 'line', 'polyline', 'text', 'tspan', 'desc'],
] as const;
// oxlint-enable unicorn/no-useless-spread
type Tag = (typeof TAGS)[number];

export type Element = ReturnType<typeof jsx>;
/** What an element may contain. Text is escaped; there is no way to write markup as text. */
export type Content = Element | string | number | null | false | undefined | readonly Content[];
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

type Children = Parameters<typeof jsx>[2];

/** `h.p({ class: 'note' }, 'text')` is `<p class="note">text</p>`: hono/jsx without its syntax, since Node
 * runs TypeScript by stripping types and JSX would need a build step. */
export const h = Object.fromEntries(
  TAGS.map((tag) => [
    tag,
    (attributes: Attributes, ...children: Content[]) =>
      jsx(tag, attributes, ...(children as Children[])),
  ]),
) as Readonly<Record<Tag, (attributes: Attributes, ...children: Content[]) => Element>>;
