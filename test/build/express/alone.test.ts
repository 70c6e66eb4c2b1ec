import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { encode } from "../../../src/wire/codec.ts";
import { encodeFrame } from "../../../src/wire/frame.ts";
import { messages } from "../../../src/wire/messages.ts";
import type { Cpu } from "../../../src/build/vendor/packages.ts";
import { resultOf } from "../../processes.ts";
import { HANDED_OVER, writeAlone } from "./alone.ts";

const isRoot = process.platform === "linux" && process.geteuid?.() === 0;

test.skipIf(!isRoot).each([
  ["/", 0],
  ["", HANDED_OVER],
])("with HOME=%s in another root it ends with %d (needs root)", async (HOME, expected) => {
  const root = mkdtempSync(join(tmpdir(), "keyhole-root-"));
  const socket = join(root, ".keyhole/sock/daemon.sock");
  mkdirSync(join(socket, ".."), { recursive: true });
  writeAlone(join(root, "alone"), process.arch as Cpu);
  const answer = { config: "dev", region: undefined, line: Buffer.from("{}\n") };
  const frame = encodeFrame(messages.Vend.number, encode(messages.Vend.response, answer));
  const server = Bun.listen({ unix: socket, socket: { data: (peer) => void peer.write(frame) } });
  chmodSync(socket, 0o600);
  try {
    const command = ["chroot", root, "/alone", "export", "-f", "credential-process", "-n", "dev"];
    const { exitCode } = await resultOf(
      Bun.spawn(command, { env: { HOME, PATH: process.env["PATH"] }, stdout: "pipe", stderr: "pipe" }),
    );
    expect(exitCode).toBe(expected);
  } finally {
    server.stop(true);
    rmSync(root, { recursive: true });
  }
});
