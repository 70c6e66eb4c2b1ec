// A real `systemd --user`, without a systemd that booted the machine: in a mount namespace that looks as if it had, with
// a cgroup tree of its own.
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive, type Result, resultOf, until } from "../processes.ts";
import { NOBODY, publicExecutable } from "./daemons.ts";
import { holdNamespace } from "./namespace.ts";

const SYSTEMD = "/lib/systemd/systemd";

/** Why there cannot be one, if so. */
export const noManager: string | undefined = findReason();

function findReason(): string | undefined {
  if (process.platform !== "linux" || !existsSync(SYSTEMD)) return "systemd is missing: apt-get install systemd";
  if (process.getuid?.() !== 0) return "needs root, for a namespace";
  const missing = ["unshare", "nsenter", "setpriv", "mount", "systemctl"].filter((tool) => Bun.which(tool) === null);
  if (missing.length > 0) return `${missing.join(", ")} missing: install util-linux and systemd`;
  const probe = ["unshare", "--mount", "mount", "-t", "cgroup2", "none", "/sys/fs/cgroup"];
  return Bun.spawnSync(probe).exitCode === 0 ? undefined : "no cgroups of its own: run as root outside of a container";
}

export type Manager = Awaited<ReturnType<typeof startManager>>;

/** The user `nobody`'s. Use with `await using`; whatever it has started ends with it. */
export async function startManager() {
  const directory = mkdtempSync(join(tmpdir(), "keyhole-sd-"));
  chmodSync(directory, 0o755);
  const program = publicExecutable();
  const home = join(directory, "home");
  const runtime = join(directory, "run");
  for (const made of [home, runtime]) {
    mkdirSync(made, { mode: 0o700 });
    chownSync(made, NOBODY, NOBODY);
  }
  const cgroup = `/sys/fs/cgroup/keyhole-test-${process.pid}`;
  const identity = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", "--reset-env"];
  const variables = [`HOME=${home}`, `XDG_RUNTIME_DIR=${runtime}`, "PATH=/usr/bin:/bin"];
  // Ends with the holder of the namespace.
  const as = ["setpriv", "--pdeathsig=KILL", ...identity, "env", ...variables];
  const namespace = await holdNamespace([
    "mount -t cgroup2 none /sys/fs/cgroup",
    `mkdir -p ${cgroup}/user ${cgroup}/holder /run/systemd`,
    `chown -R ${NOBODY}:${NOBODY} ${cgroup}/user`,
    // What sd_booted(3) looks for; not on the machine's /run.
    "mount -t tmpfs none /run/systemd",
    "mkdir /run/systemd/system",
    `echo $$ > ${cgroup}/user/cgroup.procs`,
    `${as.join(" ")} ${SYSTEMD} --user --log-target=console > ${directory}/log 2>&1 &`,
    "manager=$!",
    `echo $$ > ${cgroup}/holder/cgroup.procs`,
    "echo $manager",
  ]);
  const pid = Number(namespace.said);

  async function run(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Result> {
    const more = Object.entries(env).map(([name, text]) => `${name}=${text}`);
    const child = Bun.spawn([...namespace.enter, ...as, ...more, ...words], {
      cwd: "/",
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    return resultOf(child);
  }

  const systemctl = (words: string) => run(["systemctl", "--user", ...words.split(" ")]);
  await until(async () => (await systemctl("show-environment")).exitCode === 0);

  return {
    home,
    program: program.path,
    systemctl,
    run,
    /** Runs `keyhole WORDS` as the manager's user. */
    keyhole: (words: string, env?: Readonly<Record<string, string>>) => run([program.path, ...words.split(" ")], env),
    async property(unit: string, name: string): Promise<string> {
      return (await systemctl(`show --property=${name} --value ${unit}`)).stdout.trim();
    },
    log: () => readFileSync(join(directory, "log"), "utf8"),
    async [Symbol.asyncDispose]() {
      // SIGTERM is its "stop everything and exit".
      process.kill(pid, "SIGTERM");
      await until(() => !isAlive(pid));
      await namespace.end();
      const remove = `mount -t cgroup2 none /sys/fs/cgroup && find ${cgroup} -depth -type d -exec rmdir {} +`;
      Bun.spawnSync(["unshare", "--mount", "sh", "-c", remove]);
      program.remove();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
