// What a kind of sandbox must be able to do, so that one list of tests (cell.ts) runs in all of them. Inside, the
// executable is /keyhole, the directory of the host's control socket is /run/keyhole, and /state is a tmpfs.
import type { Subprocess } from "bun";
import type { Host } from "./host.ts";
import type { Rig } from "../interop/rigs.ts";

/** Given to every command inside; KEYHOLE_HOME is for the daemon that runs there. */
export const insideEnvironment = { PATH: "/usr/bin:/bin", KEYHOLE_HOME: "/state/keyhole" };

export const asksHost = ["/keyhole", "-sp", "/run/keyhole/daemon.sock"];

export interface Kind {
  readonly needs: readonly Rig[];
  /** Before the first sandbox of this kind. */
  open?(): Promise<void>;
  close?(): Promise<void>;
  /** Runs a program as the first process of a new sandbox, and waits for it. `name` is unique. */
  command(program: readonly string[], options: Options, name: string): string[];
  /** Runs a program in a sandbox that `command` has started. */
  enter(program: readonly string[], options: Options, running: Running): Promise<string[]>;
  /** Sends a signal to the sandbox's first process. */
  signal(name: "TERM" | "KILL", running: Running): Promise<string[]>;
}

export interface Running {
  readonly name: string;
  readonly child: Subprocess;
}

/** What a program finds in a sandbox. */
export interface Inside {
  readonly root: RootName;
  readonly uid: 0 | 65534;
  readonly dropCapabilities?: boolean;
  /** No /proc, where the kind leaves the choice. */
  readonly noProc?: boolean;
  /** No /dev/null. */
  readonly noDevices?: boolean;
}

export interface Options extends Inside {
  readonly host: Host;
}

/** `empty` holds nothing and has the executable mounted; `copied` holds the executable alone. */
export type RootName = "empty" | "copied" | "busybox" | "debian";

/** Whether there is a /bin/sh. */
export function hasShell(root: RootName): boolean {
  return root === "busybox" || root === "debian";
}
