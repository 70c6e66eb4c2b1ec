import { expect, test } from "bun:test";
import { join } from "node:path";

const module_ = join(import.meta.dir, "..", "..", "src", "native", "children.ts");

/** Run in a process of its own: it waits for whatever child of its process has ended. */
const reaper = (shell: string) => `
  const { loadReapChild } = await import(${JSON.stringify(module_)});
  const reap = loadReapChild();
  const none = reap();
  const child = Bun.spawn(["sh", "-c", ${JSON.stringify(shell)}]);
  let ended;
  while (ended === undefined) ended = reap();
  console.log(JSON.stringify([none === undefined, ended.pid === child.pid, ended.status, reap() === undefined]));
  process.exit(0);
`;

test.each([
  ["exit 0", 0],
  ["exit 7", 7],
  ["exit 255", 255],
  ["kill -TERM $$", 143],
  ["kill -KILL $$", 137],
])("a child that does %p is waited for once, with its status", (shell, status) => {
  const { stdout } = Bun.spawnSync([process.execPath, "-e", reaper(shell)], { env: { PATH: "/usr/bin:/bin" } });
  expect(stdout.toString()).toBe(`[true,true,${status},true]\n`);
});
