// The host's side: a daemon of some user, whose socket's directory is what sandboxes are given, and the executable.
import { chownSync, chmodSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "bun:test";
import { as, publicExecutable } from "../e2e/daemons.ts";
import { createMachine } from "../e2e/machine.ts";

export type Host = Awaited<ReturnType<typeof startHost>>;

/**
 * A daemon of this user that has a session of the config `dev`.
 *
 * @param env more of whoever starts it
 */
export async function startHost(uid: number, env: Readonly<Record<string, string>> = {}) {
  const machine = await createMachine();
  for (const directory of [machine.home, join(machine.home, "work")]) chownSync(directory, uid, uid);
  const program = publicExecutable();
  const asUser = { under: as(uid), program: program.path, env };
  const keyhole = async (...words: string[]) => {
    const result = await machine.run(words, asUser);
    expect(result).toMatchObject({ exitCode: 0 });
  };
  const start = async () => {
    await keyhole("daemon", "start");
    await keyhole("daemon", "add", "-n", "dev");
  };
  await keyhole(...machine.adding("dev"));
  await start();
  return {
    uid,
    program: program.path,
    home: machine.home,
    run: (...words: string[]) => machine.run(words, asUser),
    /** Makes a grant of the config `dev`; returns its directory. */
    async addGrant(name: string, ...terms: string[]) {
      const { stdout, stderr } = await machine.run(["grant", "add", name, "--config", "dev", ...terms], asUser);
      if (stdout === "") throw new Error(stderr);
      return stdout.trimEnd();
    },
    /** What `keyhole audit` has, from new to old. */
    async audit() {
      const { stdout } = await machine.run(["audit", "--json"], asUser);
      return JSON.parse(stdout) as Record<string, unknown>[];
    },
    /** The directory to mount. */
    directory: dirname(machine.paths.socket),
    /** Another daemon, with credentials that the one before it did not have. */
    async restart() {
      await keyhole("daemon", "stop");
      await start();
    },
    /** Opens every door that file modes keep shut, so that the daemon alone is left to refuse. */
    openDoors() {
      for (const directory of [machine.home, machine.paths.home, dirname(machine.paths.socket)])
        chmodSync(directory, 0o755);
      chmodSync(machine.paths.socket, 0o666);
    },
    /** The secret that the STS gave out with an access key id. */
    secretOf: (accessKeyId: string) => machine.sts.issued.get(accessKeyId)?.secretAccessKey,
    async stop() {
      await machine[Symbol.asyncDispose]();
      program.remove();
    },
  };
}
