import { expect, test } from 'vitest';
import { toSvg } from '../docs/picture/terminal-svg.ts';

const GREEN = '\u001b[32m';
const BOLD = '\u001b[1m';
const DIM = '\u001b[2m';
const INVERSE = '\u001b[7m';
const RESET = '\u001b[0m';

test('a captured screen becomes a window of texts and bars, each in its columns', () => {
  const lines = [`${GREEN}✓${RESET} a < b`, `  ${GREEN}██${DIM}░${RESET} ${BOLD}50 %${RESET}`];
  expect(toSvg('A run', [{ title: 'run', lines }], 20)).toMatchInlineSnapshot(`
    "<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 86" width="200" height="86">
    <title>A run</title>
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

test('dots and lines are drawn, a style goes on in the next line, and what is inverse keeps its blanks', () => {
  const lines = [`${DIM}─│└`, `⠁⣀${RESET}`, `${INVERSE} x `];
  expect(toSvg('Shapes', [{ title: 'run', lines }], 20)).toMatchInlineSnapshot(`
    "<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 104" width="200" height="104">
    <title>Shapes</title>
    <g font-family='ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace' font-size="14" fill="#e6edf3">
    <g transform="translate(0 0)">
    <rect x="0.5" y="0.5" width="199" height="103" rx="8" fill="#0d1117" stroke="#3d444d"/>
    <text x="100" y="21" text-anchor="middle" font-size="12" fill="#9198a1">run</text>
    <path d="M20.2 43h-4.2M20.2 43h4.2M28.6 43v-9M28.6 43v9M37 43v-9M37 43h4.2" stroke="#e6edf3" opacity="0.6"/>
    <path d="M18.1 54.25h0M26.5 67.75h0M30.7 67.75h0" stroke="#e6edf3" stroke-width="2.6" stroke-linecap="round" opacity="0.6"/>
    <rect x="16" y="70" width="25.2" height="18" fill="#e6edf3"/>
    <text x="16" y="83" textLength="25.2" xml:space="preserve" fill="#0d1117"> x </text>
    </g>
    </g>
    </svg>
    "
  `);
});
