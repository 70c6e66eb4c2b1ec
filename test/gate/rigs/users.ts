// A user whom the machine does not know, with subordinate ids, for a rig's mount namespace alone.
import { readFileSync, writeFileSync } from "node:fs";

export const USER_NAME = "keyhole-gate";

/** The user's subordinate ids start here: the host's uid of root in a user namespace of theirs. */
export const SUBORDINATE = 1_000_000;

/**
 * Files that know the user, over those of the machine: what a shell does for it in the namespaces.
 *
 * @param path an own directory, which becomes the user's home
 */
export function addUser(path: string, uid: number): string {
  const files = {
    passwd: `${readFileSync("/etc/passwd", "utf8")}${USER_NAME}:x:${uid}:${uid}::${path}:/bin/sh\n`,
    group: `${readFileSync("/etc/group", "utf8")}${USER_NAME}:x:${uid}:\n`,
    subuid: `${USER_NAME}:${SUBORDINATE}:65536\n`,
    subgid: `${USER_NAME}:${SUBORDINATE}:65536\n`,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(`${path}/${name}`, text);
  return Object.keys(files)
    .map((name) => `mount --bind ${path}/${name} /etc/${name}`)
    .join("; ");
}
