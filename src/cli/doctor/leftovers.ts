// What a process that was killed had not finished, and the memory of sessions.
import { KeyholeError } from "../../errors.ts";
import { readTrusted } from "../../files/reading.ts";
import { isTemporary } from "../../files/writing.ts";
import { quotePosix } from "../../text/quoting.ts";
import { directoryOf } from "../../paths.ts";
import { lookAt, namesIn } from "./files.ts";
import { ok, type Verdict, verdicts, warning } from "./finding.ts";
import type { HostMachine } from "./hostmachine.ts";

/** Milliseconds: whoever still writes is done by then, also a copy of the executable to a slow disk. */
const AGE = 60_000;

export function checkLeftovers({ settings, now }: HostMachine): readonly Verdict[] {
  const { configDir, grantDir, runDir, binDir, log } = settings.paths;
  const wrong = [configDir, grantDir, runDir, binDir, directoryOf(log)].flatMap((directory) => {
    const left = namesIn(directory).filter((name) => {
      const stats = isTemporary(name) ? lookAt(`${directory}/${name}`) : undefined;
      return stats !== undefined && now - stats.mtimeMs > AGE;
    });
    if (left.length === 0) return [];
    const files = left.length === 1 ? "file was" : "files were";
    const paths = left.map((name) => quotePosix(`${directory}/${name}`));
    return [warning(`${left.length} ${files} left unfinished in ${directory}`, `rm -- ${paths.join(" ")}`)];
  });
  return verdicts(wrong, "nothing was left unfinished");
}

/** Bytes, as daemon/sessions/memory.ts has it. */
const MEMORY_LIMIT = 8 * 2 ** 20;

/** Without it a daemon that starts has no sessions, which costs nothing but a call to STS for each. */
export function checkMemory({ settings, uid }: HostMachine): readonly Verdict[] {
  const { runDir } = settings.paths;
  const paths = namesIn(runDir)
    .filter((name) => /^sessions(-[0-9a-z]+)?\.json$/.test(name))
    .map((name) => `${runDir}/${name}`);
  if (paths.length === 0) return [];
  const wrong = paths.flatMap((path) => {
    const reason = whyUnreadable(path, uid);
    const remedy = `rm ${quotePosix(path)}`;
    return reason === undefined ? [] : [warning(`a daemon that starts brings no session back: ${reason}`, remedy)];
  });
  return wrong.length > 0 ? wrong : [ok("a daemon that starts brings its sessions back")];
}

function whyUnreadable(path: string, uid: number): string | undefined {
  try {
    const file = readTrusted(path, uid, MEMORY_LIMIT);
    if (file === undefined) return undefined;
    const memory = JSON.parse(new TextDecoder().decode(file.bytes)) as { readonly sessions?: unknown } | null;
    return Array.isArray(memory?.sessions) ? undefined : `${path} is not a memory of sessions`;
  } catch (error) {
    return error instanceof KeyholeError ? error.message : `${path} is not a memory of sessions`;
  }
}
