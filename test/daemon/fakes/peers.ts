// Processes that connect to a socket, and one that passes its connection on and ends.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive, until } from "../../processes.ts";

export interface Accepted extends AsyncDisposable {
  /** The server's end. */
  readonly socket: object;
  /** Of the process that connected. */
  readonly pid: number;
  /** It hands the connection to another process, ends, and is waited for. */
  passOn(): Promise<void>;
  /** Closes the server's end. */
  close(): Promise<void>;
}

/** Connects, says that it is there, and on a line of input gives its descriptor to `sleep` and ends. */
const CLIENT = `
  const socket = await Bun.connect({ unix: process.env.SOCKET, socket: { data() {} } });
  for await (const _ of Bun.stdin.stream()) {
    const heir = Bun.spawn(["sleep", "1000"], { stdio: ["ignore", "ignore", "ignore", socket.fd] });
    await Bun.write(process.env.HEIR, String(heir.pid));
    process.exit(0);
  }`;

/** A connection of another process, which is Bun's executable. */
export async function acceptOne(): Promise<Accepted> {
  const directory = mkdtempSync(join(tmpdir(), "keyhole-peers-"));
  const [path, heir] = [join(directory, "s"), join(directory, "heir")];
  const accepted = Promise.withResolvers<Bun.Socket>();
  const closed = Promise.withResolvers<void>();
  const listener = Bun.listen({
    unix: path,
    socket: { open: (socket) => accepted.resolve(socket), data: () => {}, close: () => closed.resolve() },
  });
  const client = Bun.spawn([process.execPath, "-e", CLIENT], {
    env: { SOCKET: path, HEIR: heir },
    stdin: "pipe",
    stdout: "ignore",
    stderr: "inherit",
  });
  const socket = await accepted.promise;
  return {
    socket,
    pid: client.pid,
    passOn: async () => {
      void client.stdin.write("now\n");
      void client.stdin.flush();
      await client.exited;
    },
    close: async () => {
      socket.terminate();
      await closed.promise;
    },
    async [Symbol.asyncDispose]() {
      client.kill();
      await client.exited;
      listener.stop(true);
      const pid = (await Bun.file(heir).exists()) ? Number(readFileSync(heir, "utf8")) : undefined;
      if (pid !== undefined) {
        process.kill(pid);
        await until(() => !isAlive(pid));
      }
      rmSync(directory, { recursive: true });
    },
  };
}
