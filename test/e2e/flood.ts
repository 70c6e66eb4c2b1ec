// A holder at its worst, as a process of its own: `bun flood.ts SOCKET`, until it is ended. Says `flooding` when all of
// its 2,000 idle connections were made once.
import { encodeFrame } from "../../src/wire/frame.ts";
import { messages } from "../../src/wire/messages.ts";
import { dial, type Peer } from "./attacker.ts";

const [path = ""] = process.argv.slice(2);
const fetchFrame = encodeFrame(messages.Fetch.number, new Uint8Array(0));
const idle: Peer[] = [];

async function connectOften(): Promise<void> {
  while (idle.length < 2000) idle.push(await dial(path));
  console.log("flooding");
}

/** A frame of 400 MiB. */
async function sendMuch(): Promise<void> {
  const block = Buffer.alloc(1024 * 1024, "A");
  for (;;) {
    const peer = await dial(path);
    for (let count = 0; count < 400 && !peer.isClosed; count++) {
      if (!(await Promise.race([peer.write(block), peer.closed]))) break;
    }
    peer.close();
    await Bun.sleep(10);
  }
}

/** One byte every quarter of a second. */
async function sendSlowly(): Promise<void> {
  for (;;) {
    const peer = await dial(path);
    for (const byte of fetchFrame) {
      if (!(await peer.write(new Uint8Array([byte])))) break;
      await Bun.sleep(250);
    }
    peer.close();
  }
}

/** Asks and never reads. */
async function askDeaf(): Promise<void> {
  const many = Buffer.concat(Array.from({ length: 1024 }, () => fetchFrame));
  for (;;) {
    const peer = await dial(path);
    peer.pause();
    while (!peer.isClosed) if (!(await Promise.race([peer.write(many), peer.closed]))) break;
    peer.close();
    await Bun.sleep(10);
  }
}

/** Asks without waiting, on many connections, and reads every answer. */
async function askEagerly(): Promise<void> {
  const many = Buffer.concat(Array.from({ length: 1024 }, () => fetchFrame));
  for (;;) {
    const peer = await dial(path);
    while (!peer.isClosed) if (!(await Promise.race([peer.write(many), peer.closed]))) break;
    peer.close();
    await Bun.sleep(10);
  }
}

/** Connects and is gone. */
async function knock(): Promise<void> {
  for (;;) {
    try {
      (await Bun.connect({ unix: path, socket: { data: () => {}, error: () => {} } })).terminate();
    } catch {
      // The daemon's queue is full.
      await Bun.sleep(0);
    }
  }
}

const several = <Result>(action: () => Promise<Result>) => Array.from({ length: 4 }, action);
await Promise.all([connectOften(), sendMuch(), sendSlowly(), askDeaf(), ...several(askEagerly), ...several(knock)]);
