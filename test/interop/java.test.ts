// The AWS SDK for Java signs its uploads chunk by chunk where the endpoint is http, as the relay's is.
import { expect } from "bun:test";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { startSigning } from "../e2e/signing.ts";
import { javaCommand } from "./clients.ts";
import { rigs, testWith } from "./rigs.ts";

const MODE = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
/** Three chunks of the SDK's 128 KiB, the last of them short. */
const size = 300_001;
const chunks = /(?:^|\r\n)([0-9a-f]+);chunk-signature=/g;

for (const [calculation, mode] of [
  ["when_supported", `${MODE}-TRAILER`],
  ["when_required", MODE],
] as const)
  testWith([rigs.java])(
    `an upload of the AWS SDK for Java comes out as ${mode}, each chunk signed anew (checksum ${calculation})`,
    async () => {
      await using it = await startSigning({ words: "--allow s3:PutObject" });
      const file = join(it.machine.home, "body");
      const body = Buffer.alloc(size, "keyhole\r\n");
      writeFileSync(file, body);
      const outcome = await it.run(javaCommand(calculation, "put", "bucket", "key", file));
      expect(outcome).toMatchObject({ stderr: "", exitCode: 0 });
      const { request, body: sent, isSigned } = it.upstream.arrived[0]!;
      const sizes = [...sent.toString("latin1").matchAll(chunks)].map(([, hex]) => Number.parseInt(hex!, 16));
      const headers = Object.fromEntries(request.headers);
      expect([
        isSigned,
        request.path,
        headers["x-amz-content-sha256"],
        headers["x-amz-decoded-content-length"],
      ]).toEqual([true, "/bucket/key", mode, `${size}`]);
      expect(sizes).toEqual([131_072, 131_072, 37_857, 0]);
      expect(hashOf(dataOf(sent, sizes))).toBe(hashOf(body));
    },
    60_000,
  );

/** What is between the lines of the chunks. */
function dataOf(sent: Buffer, sizes: readonly number[]): Buffer {
  let at = 0;
  const parts = sizes.map((length) => {
    const start = sent.indexOf("\r\n", at) + 2;
    at = start + length + 2;
    return sent.subarray(start, start + length);
  });
  return Buffer.concat(parts);
}

function hashOf(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
