// A hostile holder of a directory, as a worker: puts links, FIFOs and trees in the place of whatever it sees there, as
// fast as it can, and swaps entries by renameat2(2). Linux alone.
import { dlopen } from "bun:ffi";
import * as fs from "node:fs";
import { workerData } from "node:worker_threads";

/** linux/fs.h and fcntl.h */
const RENAME_EXCHANGE = 2;
const AT_FDCWD = -100;

const { symbols: libc } = dlopen("libc.so.6", {
  renameat2: { args: ["i32", "buffer", "i32", "buffer", "u32"], returns: "i32" },
  mkfifo: { args: ["buffer", "u32"], returns: "i32" },
});

const cString = (text: string): Buffer => Buffer.from(`${text}\0`);

export interface Orders {
  readonly directory: string;
  /** A directory outside with a file `precious`. */
  readonly victim: string;
  /** Names that are put there even where nothing is. */
  readonly names: readonly string[];
}

const tricks: readonly ((path: string, orders: Orders, round: number) => void)[] = [
  (path, { victim }) => fs.symlinkSync(`${victim}/precious`, path),
  (path, { victim }) => fs.symlinkSync(victim, path),
  (path) => void libc.mkfifo(cString(path), 0o666),
  (path, { victim }) => {
    fs.mkdirSync(`${path}/a/b`, { recursive: true });
    fs.symlinkSync(victim, `${path}/a/c`);
    fs.chmodSync(`${path}/a`, 0);
  },
  (path) => fs.writeFileSync(path, "planted", { flag: "wx" }),
];

function harass(orders: Orders, round: number): void {
  const { directory, names } = orders;
  const seen = fs.readdirSync(directory).filter((name) => !name.startsWith("mine"));
  for (const name of new Set([...names, ...seen])) {
    const [path, mine] = [`${directory}/${name}`, `${directory}/mine${round}`];
    attempt(() => tricks[round % tricks.length]!(mine, orders, round));
    if (libc.renameat2(AT_FDCWD, cString(mine), AT_FDCWD, cString(path), RENAME_EXCHANGE) !== 0) {
      attempt(() => fs.renameSync(mine, path));
    }
    attempt(() => fs.chmodSync(`${mine}/a`, 0o700));
    attempt(() => fs.rmSync(mine, { recursive: true, force: true }));
    round += 1;
  }
}

function attempt(action: () => void): void {
  try {
    action();
  } catch {
    // Somebody was faster.
  }
}

const orders = workerData as Orders;
let round = 0;
// In slices, so that it can be ended.
setInterval(() => {
  for (let times = 0; times < 50; times++) attempt(() => harass(orders, (round += 7)));
}, 0);
