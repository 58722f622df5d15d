/** Polls until the condition holds; a test's own timeout ends the wait. */
export async function until<T>(condition: () => T | undefined | false): Promise<T> {
  for (;;) {
    const value = condition();
    if (value !== undefined && value !== false) return value;
    await new Promise((resume) => setTimeout(resume, 20));
  }
}
