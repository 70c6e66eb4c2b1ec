import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readlinkSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { parentProgramOf, programOf } from "../../src/server/peer-program.ts";
import { until } from "../processes.ts";

const root = realpathSync(mkdtempSync(`${tmpdir()}/keyhole-program-`));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const onLinux = test.skipIf(process.platform !== "linux");
/** A mount namespace of one's own is root's, and not every container lets it. */
const canMount = Bun.spawnSync(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", root]).exitCode === 0;
const sleep = realpathSync(Bun.which("sleep") ?? "/bin/sleep");

/** Runs a script that becomes a program at `path`, and looks at it then. */
async function seen(command: readonly string[], path: string): Promise<string | undefined> {
  const child = Bun.spawn([...command], { stdout: "ignore", stderr: "inherit" });
  try {
    await until(() => readlinkSync(`/proc/${child.pid}/exe`) === path);
    return programOf(child.pid);
  } finally {
    child.kill();
    await child.exited;
  }
}

const inNamespace = (script: string) => ["unshare", "-m", "sh", "-c", script];

onLinux("a program of this mount namespace is named by its path, and one that has ended by none", async () => {
  expect(await seen([sleep, "60"], sleep)).toBe(sleep);
  expect(programOf(Bun.spawnSync(["true"]).pid)).toBeUndefined();
});

onLinux.skipIf(!canMount)("in another mount namespace a path is believed where the file is the same here", async () => {
  expect(await seen(inNamespace(`exec ${sleep} 60`), sleep)).toBe(sleep);
});

onLinux.skipIf(!canMount)(
  "a program that another mount namespace calls by a path of this one is not believed",
  async () => {
    const tail = realpathSync(Bun.which("tail") ?? "/usr/bin/tail");
    const script = `mount --bind ${sleep} ${tail} && exec ${tail} 60`;
    expect(await seen(inNamespace(script), tail)).toBe(`in a sandbox: ${tail}`);
  },
);

onLinux.skipIf(!canMount)("nor is one at a path that is none here", async () => {
  const path = `${root}/opt/aws`;
  const script = `mount -t tmpfs tmpfs ${root} && mkdir ${root}/opt && cp ${sleep} ${path} && exec ${path} 60`;
  expect(await seen(inNamespace(script), path)).toBe(`in a sandbox: ${path}`);
});

onLinux("what started a process is named", async () => {
  const child = Bun.spawn([sleep, "60"]);
  try {
    expect(parentProgramOf(child.pid)).toBe(realpathSync(process.execPath));
  } finally {
    child.kill();
    await child.exited;
  }
  expect(parentProgramOf(child.pid)).toBeUndefined();
});
