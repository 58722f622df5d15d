import { expect, test } from 'vitest';
import { toSvg } from '../docs/picture/terminal-svg.ts';

const GREEN = '\u001b[32m';
const BOLD = '\u001b[1m';
const DIM = '\u001b[2m';
const RESET = '\u001b[0m';

test('a captured screen becomes a window of texts and bars, each in its columns', () => {
  const lines = [`${GREEN}✓${RESET} a < b`, `  ${GREEN}██${DIM}░${RESET} ${BOLD}50 %${RESET}`];
  expect(toSvg([{ title: 'run', lines }], 20)).toMatchInlineSnapshot(`
    "<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 86" width="200" height="86">
    <title>A run of capstone in a terminal</title>
    <g font-family='ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace' font-size="14" fill="#e6edf3">
    <g transform="translate(0 0)">
    <rect x="0.5" y="0.5" width="199" height="85" rx="8" fill="#0d1117" stroke="#3d444d"/>
    <text x="100" y="21" text-anchor="middle" font-size="12" fill="#9198a1">run</text>
    <text x="16" y="47" textLength="8.4" xml:space="preserve" fill="#3fb950">✓</text>
    <text x="32.8" y="47" textLength="42" xml:space="preserve">a &lt; b</text>
    <rect x="32.8" y="54" width="16.8" height="14" fill="#3fb950" opacity="1"/>
    <rect x="49.6" y="54" width="8.4" height="14" fill="#3fb950" opacity="0.15"/>
    <text x="66.4" y="65" textLength="33.6" xml:space="preserve" font-weight="bold">50 %</text>
    </g>
    </g>
    </svg>
    "
  `);
});
