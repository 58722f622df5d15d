/** Where the program under test lies: npm and vitest start everything in the package root. */
import { join } from 'node:path';
import process from 'node:process';

export const PACKAGE_ROOT = process.cwd();
export const CLI = join(PACKAGE_ROOT, 'dist', 'cli.js');
export const PYTHON = process.env['CAPSTONE_PYTHON'] ?? join(PACKAGE_ROOT, '.venv', 'bin', 'python');
