/** `requests.ndjson`: what others ask of a run's orchestrator, which reads it while it runs. */
import { z } from 'zod';
import { openLines, parseJson, readLines } from './lines.ts';

export const RequestOfRun = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('cancel'), ts: z.string() }),
  z.strictObject({ type: z.literal('cancel_task'), task: z.string(), ts: z.string() }),
  /** A task that failed or was cancelled is run again. */
  z.strictObject({ type: z.literal('retry_task'), task: z.string(), ts: z.string() }),
]);
export type RequestOfRun = z.infer<typeof RequestOfRun>;

export function appendRequest(path: string, request: RequestOfRun): void {
  const writer = openLines(path);
  try {
    writer.append(request);
  } finally {
    writer.close();
  }
}

/** Requests from a byte offset on, and the offset to read from next time. A line that is no request is skipped. */
export function readRequests(path: string, from: number): { requests: RequestOfRun[]; next: number } {
  const { lines, next } = readLines(path, from);
  const requests = lines
    .map((line) => RequestOfRun.safeParse(parseJson(line)).data)
    .filter((data) => data !== undefined);
  return { requests, next };
}
