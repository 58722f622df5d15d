/** `npm run build`: bundles src/cli.ts into dist/, one chunk for each command that is loaded lazily. */
import { chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const root = import.meta.dirname;
const outdir = join(root, 'dist');

rmSync(outdir, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: [
    { in: 'src/cli.ts', out: 'cli' },
    // A thread is started from a file of its own.
    { in: 'src/commands/tui/watch-thread.ts', out: 'watch-thread' },
  ],
  outdir,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  // Its CommonJS build asks for its parts by a require that no bundler can follow.
  alias: { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' },
  // React and ink as they are shipped: development builds are slower, and want a package that is not installed.
  define: { 'process.env.NODE_ENV': '"production"' },
  external: ['react-devtools-core'],
  sourcemap: true,
  legalComments: 'none',
  logLevel: 'warning',
  banner: {
    // Bundled CommonJS packages call require for Node's own modules.
    js: "#!/usr/bin/env node\nimport { createRequire as __createRequire } from 'node:module';\nconst require = __createRequire(import.meta.url);",
  },
});
chmodSync(join(outdir, 'cli.js'), 0o755);
