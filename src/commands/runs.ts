import { defineCommand } from './definition.ts';
import { cancel } from './runs/cancel.ts';
import { list } from './runs/list.ts';
import { logs } from './runs/logs.ts';
import { resume } from './runs/resume.ts';
import { retry } from './runs/retry.ts';
import { rm } from './runs/rm.ts';
import { show } from './runs/show.ts';

export default defineCommand({
  summary: 'List, show, follow, cancel, go on with and remove runs',
  description:
    'Alone it lists. A run is named by its id, the beginning of it, the name of a job that ran once, or latest.',
  examples: [
    'capstone runs',
    'capstone runs show latest',
    'capstone runs logs latest train-resnet18 --follow',
    'capstone runs cancel latest',
  ],
  flags: list.flags,
  subcommands: { list, show, logs, cancel, retry, resume, rm },
  run: list.run,
});
