// The terminal that a prompt reads from, which may go away while it waits: the window is closed, the connection is cut.

/**
 * What a prompt answers, or undefined where the terminal goes away first. No prompt notices that by itself under Bun
 * 1.4.5: its promise stays open, nothing is left to wait for, and the event loop turns for ever.
 */
export async function whileTerminalStays<Answer>(ask: () => Promise<Answer>): Promise<Answer | undefined> {
  const { stdin } = process;
  if (stdin.readableEnded || stdin.destroyed) return undefined;
  const gone = Promise.withResolvers<undefined>();
  const leave = () => gone.resolve(undefined);
  // A terminal that is closed is an end or an error (EIO), by the moment of the read.
  const events = ["end", "error", "close"] as const;
  for (const event of events) stdin.on(event, leave);
  try {
    return await Promise.race([ask(), gone.promise]);
  } finally {
    for (const event of events) stdin.off(event, leave);
  }
}
