import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.{ts,tsx}', 'test/**/*.test.ts'],
    // Real processes on a slow machine; what hangs is still found.
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
