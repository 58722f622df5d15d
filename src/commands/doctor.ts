import { EXIT } from '../errors/errors.ts';
import { examine, isReady } from '../python/doctor.ts';
import { defineCommand } from './definition.ts';
import { drawChecks } from './draw-checks.ts';
import { gatherFacts } from './gather-facts.ts';
import { PLACE_FLAGS, placeFrom } from './place.ts';

export default defineCommand({
  summary: 'Say what is there, what is missing and what to do',
  description:
    'Marks: ✓ fine, ! a job can run but may fail or be slow, ✗ no job can run before it is mended (exit code 3).\n' +
    'With --json: {"version": 1, "ready", "checks": [{"id", "status": "ok|warning|problem", "title", "detail", "next"}]}.',
  examples: ['capstone doctor', 'capstone doctor --json'],
  flags: [
    { name: '--json', description: 'Print one JSON object instead.' },
    {
      name: '--python',
      value: 'PATH',
      description: 'Interpreter to look at instead of the managed environment.',
    },
    ...PLACE_FLAGS,
  ],
  async run(flags, _args, io) {
    const python = flags['--python'];
    const facts = await gatherFacts(placeFrom(flags, io), typeof python === 'string' ? python : undefined);
    const checks = examine(facts);
    const ready = isReady(checks);
    if (flags['--json'] === true) {
      io.stdout.write(`${JSON.stringify({ version: 1, ready, checks }, null, 2)}\n`);
    } else {
      const color =
        io.stdout.isTTY === true && (io.env['NO_COLOR'] ?? '') === '' && io.env['TERM'] !== 'dumb';
      io.stdout.write(drawChecks(checks, { color }));
    }
    return ready ? EXIT.done : EXIT.environment;
  },
});
