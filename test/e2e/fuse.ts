// A FUSE mount that hangs: its server takes no request, or takes them and never answers, which blocks whoever asks
// beyond the reach of SIGKILL.
import { accessSync, constants, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../processes.ts";

/** Why this machine has none; undefined where it has. */
export const noFuse: string | undefined = ((): string | undefined => {
  if (process.getuid?.() !== 0) return "mounting needs root";
  if (Bun.which("mount") === null || Bun.which("python3") === null) return "mount or python3 is missing";
  try {
    accessSync("/dev/fuse", constants.R_OK | constants.W_OK);
  } catch {
    return "there is no /dev/fuse";
  }
  return undefined;
})();

/** Answers FUSE_INIT and lookups, and nothing else: https://www.kernel.org/doc/html/latest/filesystems/fuse.html */
const SERVER = String.raw`
import os, struct, subprocess, sys
fd = os.open("/dev/fuse", os.O_RDWR)
os.set_inheritable(fd, True)
options = f"fd={fd},rootmode=040000,user_id=0,group_id=0"
subprocess.run(["mount", "-i", "-t", "fuse", "-o", options, "hang", sys.argv[1]], pass_fds=[fd], check=True)
print("mounted", flush=True)
def attributes(inode, mode):
    return struct.pack("<QQQQQQIIIIIIIIII", inode, 100, 1, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)
while True:
    request = os.read(fd, 1 << 20)
    length, opcode, unique, node = struct.unpack_from("<IIQQ", request)
    if opcode == 26:
        body = struct.pack("<IIIIHHIIHHI", 7, 31, 65536, 0, 16, 12, 131072, 1, 32, 0, 0) + bytes(24)
    elif opcode == 1:
        body = struct.pack("<QQQQII", 2, 0, 60, 60, 0, 0) + attributes(2, 0o100644)
    elif opcode == 3 and node == 1:
        body = struct.pack("<QII", 60, 0, 0) + attributes(1, 0o040755)
    else:
        continue
    os.write(fd, struct.pack("<IiQ", 16 + len(body), 0, unique) + body)
`;

/** Use with `await using`: the mount goes, and with it whoever waits for it is let go. */
export async function mountHanging(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = mkdtempSync(join(tmpdir(), "keyhole-fuse-"));
  const server = Bun.spawn(["python3", "-c", SERVER, path], { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  const reader = server.stdout.getReader();
  await reader.read();
  return {
    path,
    async [Symbol.asyncDispose]() {
      server.kill("SIGKILL");
      await server.exited;
      await Bun.spawn(["umount", "-l", path], { stderr: "ignore" }).exited;
      await until(() => {
        rmdirSync(path);
        return true;
      });
    },
  };
}
