import { expect, test } from "bun:test";
import { findInner, type ReadProcess } from "../../../src/cli/runs/inner.ts";
import { until } from "../../processes.ts";

/** A tree of processes: words, and children. */
const tree =
  (processes: Readonly<Record<number, readonly [words: string, ...children: number[]]>>): ReadProcess =>
  (pid) => {
    const [words, ...children] = processes[pid] ?? [];
    return words === undefined ? undefined : { words: words.split(" "), children };
  };

test.each([
  [
    "behind bwrap's own processes",
    tree({ 1: ["bwrap -- sh a.sh", 2], 2: ["bwrap -- sh a.sh", 3], 3: ["sh a.sh", 4], 4: ["sleep 1"] }),
    "sh a.sh",
    3,
  ],
  [
    "beside others",
    tree({ 1: ["srt", 2, 3], 2: ["socat x"], 3: ["bash -c claude", 4, 5], 4: ["socat y"], 5: ["claude"] }),
    "claude",
    5,
  ],
  [
    "through a script's first line",
    tree({ 1: ["firejail -- claude -p x", 2], 2: ["node /opt/claude -p x"] }),
    "claude -p x",
    2,
  ],
  [
    "through env in a script's first line",
    tree({ 1: ["fence", 2], 2: ["/usr/bin/env node /opt/claude"] }),
    "claude",
    2,
  ],
  ["above its own children", tree({ 1: ["bwrap", 2], 2: ["sh a.sh", 3], 3: ["sh a.sh"] }), "/bin/sh a.sh", 2],
  ["nowhere: a shell's command is not it", tree({ 1: ["srt", 2], 2: ["bash -c claude"] }), "claude", undefined],
  ["nowhere: the tool itself is not it", tree({ 1: ["claude"] }), "claude", undefined],
  ["nowhere: the tool has ended", tree({}), "claude", undefined],
] as const)("the program is found %s", (_, look, words, pid) => {
  expect(findInner(1, words.split(" "), look)).toBe(pid);
});

test("of real processes, too", async () => {
  const child = Bun.spawn(["sh", "-c", "sleep 61 & sh -c 'sleep 62; true'; true"], {
    stdout: "ignore",
    stderr: "ignore",
  });
  try {
    const find = () => ["61", "62"].map((seconds) => findInner(child.pid, ["sleep", seconds]));
    await until(() => !find().includes(undefined));
    for (const pid of find()) process.kill(pid!, "SIGKILL");
    await child.exited;
    expect(findInner(child.pid, ["sleep", "62"])).toBeUndefined();
  } finally {
    child.kill("SIGKILL");
  }
});
