// A whole Debian that systemd has booted, in a container of systemd-nspawn without a network.
import { chmodSync, copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { run, scratch, until } from "../../interop/run.ts";
import type { Result } from "../../processes.ts";
import { guard } from "./namespaces.ts";
import { places } from "./rigs.ts";

const environment = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };

/** A machine that can be booted again; what is written to its disk stays for as long as this test runs. */
export function createBox() {
  const directory = scratch("systemd");
  const path = (name: string) => `${directory.path}/${name}`;
  for (const name of ["upper", "work", "root"]) mkdirSync(path(name), { mode: 0o755 });
  const layers = `lowerdir=${places.systemd},upperdir=${path("upper")},workdir=${path("work")}`;
  const nspawn = `systemd-nspawn --boot --directory=${path("root")} --register=no --keep-unit --private-network --console=pipe`;
  const script = `mount -t overlay none -o ${layers} ${path("root")} && exec ${nspawn}`;
  let holder: Bun.Subprocess | undefined;
  let first = 0;

  async function start(): Promise<void> {
    holder = Bun.spawn([...guard, "unshare", "--mount", "sh", "-c", script], {
      env: environment,
      stdin: "ignore",
      stdout: Bun.file(path("console")),
      stderr: Bun.file(path("console")),
    });
    const { pid } = holder;
    await until("a machine that has booted", 30, async () => {
      first = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ")[0]);
      const { stdout } = await inside(["systemctl", "is-system-running"]);
      return ["running\n", "degraded\n"].includes(stdout);
    });
  }

  const inside = (words: readonly string[], variables: Readonly<Record<string, string>> = {}): Promise<Result> =>
    run(["nsenter", "-t", String(first), "-m", "-u", "-i", "-n", "-p", "--", ...words], {
      ...environment,
      HOME: "/root",
      ...variables,
    });

  async function stop(): Promise<void> {
    if (holder === undefined) return;
    await inside(["systemctl", "poweroff"]);
    await holder.exited;
    holder = undefined;
  }

  return {
    start,
    stop,
    inside,
    /** Runs what follows in its network. */
    network: (): readonly string[] => ["nsenter", "-t", String(first), "-n", "--"],
    install(file: string, name: string) {
      mkdirSync(path("upper/usr/local/bin"), { recursive: true, mode: 0o755 });
      copyFileSync(file, path(`upper/usr/local/bin/${name}`));
      chmodSync(path(`upper/usr/local/bin/${name}`), 0o755);
    },
    async remove() {
      holder?.kill("SIGKILL");
      await holder?.exited;
      directory.remove();
    },
  };
}
