// What run.test.ts runs in an empty root: threads, files, sockets, child processes and libc by address. Prints JSON.
import { CFunction, type FFIFunction, type Pointer, read } from "bun:ffi";
import { closeSync, openSync } from "node:fs";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { decodeAddress } from "../../src/native/functions.ts";
import { libcFunctions } from "./probed.ts";

declare const LIBC: string;

const addresses = new Map(libcFunctions.map((name, index) => [name, decodeAddress(LIBC, index)]));

/** uapi: linux/prctl.h, asm-generic/errno-base.h, asm-generic/fcntl.h, asm-generic/socket.h */
const [PR_GET_DUMPABLE, PR_SET_DUMPABLE] = [3, 4];
const EBADF = 9;
const LOCK_EX_NB = 6;
const [SOL_SOCKET, SO_PEERCRED] = [1, 17];

function libc(name: (typeof libcFunctions)[number], type: FFIFunction): (...args: unknown[]) => number {
  const call: unknown = CFunction({ ...type, ptr: addresses.get(name) as Pointer });
  return call as (...args: unknown[]) => number;
}

const prctl = libc("prctl", { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" });
const flock = libc("flock", { args: ["i32", "i32"], returns: "i32" });
const getsockopt = libc("getsockopt", { args: ["i32", "i32", "i32", "buffer", "buffer"], returns: "i32" });
const errnoLocation = libc("__errno_location", { args: [], returns: "ptr" });

async function askPeer(): Promise<readonly number[]> {
  const peer = new Uint32Array(3);
  const asked = Promise.withResolvers<void>();
  const listener = Bun.listen({
    unix: "/socket",
    socket: {
      open(socket) {
        const { fd } = socket as unknown as { fd: number };
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, new Uint32Array([12])) !== 0) asked.reject(new Error("peer"));
        else asked.resolve();
      },
      data() {},
    },
  });
  const client = await Bun.connect({ unix: "/socket", socket: { data() {} } });
  await asked.promise;
  client.end();
  listener.stop(true);
  return [...peer];
}

async function compressOnThreads(): Promise<boolean> {
  const texts = Array.from({ length: 16 }, (_, index) => Buffer.alloc(100_000, String(index)));
  const back = await Promise.all(texts.map(async (text) => promisify(gunzip)(await promisify(gzip)(text))));
  return back.every((text, index) => text.equals(texts[index]!));
}

await Bun.write("/file", "written");
const lock = openSync("/file", "r");
const locked = flock(lock, LOCK_EX_NB);
closeSync(lock);
prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
const refused = flock(-1, LOCK_EX_NB);
const errno = read.i32(errnoLocation(), 0);
const [pid, uid] = await askPeer();

console.log(
  JSON.stringify({
    cpu: process.arch,
    file: await Bun.file("/file").text(),
    threads: await compressOnThreads(),
    time: new Intl.DateTimeFormat("en", { timeZone: "UTC", dateStyle: "short" }).format(0),
    locked,
    dumpable: prctl(PR_GET_DUMPABLE, 0, 0, 0, 0),
    refused: refused === -1 && errno === EBADF,
    peer: pid === process.pid && uid === process.getuid?.(),
  }),
);
