import { parser } from '@prometheus-io/lezer-promql';

export interface Matcher {
  readonly label: string;
  readonly op: '=' | '!=' | '=~' | '!~';
  readonly value: string;
}

/** What a query asks for. */
export interface Query {
  readonly selectors: readonly { readonly metric: string; readonly matchers: readonly Matcher[] }[];
  /** Per aggregation: what it groups by, and the metrics inside it. */
  readonly groupings: readonly {
    readonly labels: readonly string[];
    readonly metrics: readonly string[];
  }[];
}

type Node = ReturnType<typeof parser.parse>['topNode'];

/** Reads a query with Prometheus's own grammar. @throws where it is no PromQL */
export function parseQuery(text: string): Query {
  const top = parser.parse(text).topNode;
  const of = (node: Node) => text.slice(node.from, node.to);
  const inside = (node: Node, name: string): Node[] => {
    const found: Node[] = [];
    const walk = (child: Node): void => {
      if (child.name === name) found.push(child);
      for (let next = child.firstChild; next; next = next.nextSibling) walk(next);
    };
    walk(node);
    return found;
  };
  if (top.firstChild === null || inside(top, '⚠').length > 0) throw new Error(`no PromQL: ${text}`);
  const metricsIn = (node: Node) =>
    inside(node, 'VectorSelector').flatMap((selector) => inside(selector, 'Identifier').map(of));
  return {
    selectors: inside(top, 'VectorSelector').map((selector) => ({
      metric: metricsIn(selector)[0] ?? '',
      matchers: inside(selector, 'UnquotedLabelMatcher').map((matcher) => ({
        label: inside(matcher, 'LabelName').map(of).join(''),
        op: inside(matcher, 'MatchOp').map(of).join('') as Matcher['op'],
        value: inside(matcher, 'StringLiteral').map(of).join('').slice(1, -1),
      })),
    })),
    groupings: inside(top, 'AggregateExpr').map((aggregation) => ({
      labels: inside(aggregation, 'GroupingLabels')
        .slice(0, 1)
        .flatMap((labels) => inside(labels, 'LabelName').map(of)),
      metrics: metricsIn(aggregation),
    })),
  };
}
