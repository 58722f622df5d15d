import { type RequestOfRun, readRequests } from '../store/requests.ts';

const POLL_MS = 500;

/**
 * Hands on what others ask of a run from now on; what stands there already was asked of an earlier execution, and
 * would cancel the one that goes on from it. Returns how to stop listening.
 */
export function listenForRequests(
  path: string,
  onRequest: (request: RequestOfRun) => void,
  onError: (error: unknown) => void,
): () => void {
  let read = readRequests(path, 0).next;
  const timer = setInterval(() => {
    try {
      const { requests, next } = readRequests(path, read);
      read = next;
      for (const request of requests) onRequest(request);
    } catch (error) {
      onError(error);
    }
  }, POLL_MS);
  return () => clearInterval(timer);
}
