// Whether a host can be reached at all. Bun's fetch has no deadline for connecting alone (only for everything), and a
// network that swallows packets must be told from an STS that takes its time.
import { connect } from "node:net";
import type { Clock } from "../clock.ts";

/** Whether a TCP connection to the host of `url` is made within `deadline` milliseconds; it is closed at once. */
export async function canConnect(url: URL, deadline: number, clock: Clock): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  // An IPv6 address stands in brackets in a URL only.
  const socket = connect({ host: url.hostname.replace(/^\[|\]$/g, ""), port });
  const timer = clock.after(deadline, () => resolve(false));
  socket.once("connect", () => resolve(true));
  socket.once("error", () => resolve(false));
  try {
    return await promise;
  } finally {
    timer.cancel();
    // What fails after this is of no interest, and must not be thrown.
    socket.on("error", () => {});
    socket.destroy();
  }
}
