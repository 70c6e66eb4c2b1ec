// A service manager that started this daemon: sockets that it hands over (LISTEN_FDS), and what it wants to be told
// (sd_notify). https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html and sd_notify.html
import { statSync } from "node:fs";
import type { Environment } from "../environment.ts";
import { KeyholeError } from "../errors.ts";
import { isSameFile } from "../files/identity.ts";
import type { Native } from "../native/native.ts";
import type { Clock, Timer } from "../clock.ts";

/** Read once and kept from every child; they have to survive the daemon's own start over (image.ts). */
export const MANAGER_VARIABLES = [
  "LISTEN_PID",
  "LISTEN_FDS",
  "LISTEN_FDNAMES",
  "NOTIFY_SOCKET",
  "WATCHDOG_USEC",
  "WATCHDOG_PID",
] as const;

/** SD_LISTEN_FDS_START */
const FIRST_DESCRIPTOR = 3;
/** More than two are not ours to have; a number far above would only be waited for. */
const MOST_DESCRIPTORS = 16;

/** What the variables say. */
export interface Offer {
  readonly sockets: readonly { readonly descriptor: number; readonly name: string }[];
  readonly notifySocket: string | undefined;
  /** Milliseconds after which a daemon that has said nothing is killed. */
  readonly watchdog: number | undefined;
}

/** @param pid of this process: what was meant for another one is none of our business */
export function readOffer(environment: Environment, pid: number): Offer {
  const count = environment["LISTEN_PID"] === String(pid) ? wholeNumber(environment["LISTEN_FDS"]) : 0;
  const names = environment["LISTEN_FDNAMES"]?.split(":") ?? [];
  const isWatched = [undefined, "", String(pid)].includes(environment["WATCHDOG_PID"]);
  const watchdog = isWatched ? wholeNumber(environment["WATCHDOG_USEC"]) / 1000 : 0;
  return {
    sockets: Array.from({ length: Math.min(count, MOST_DESCRIPTORS) }, (_, index) => ({
      descriptor: FIRST_DESCRIPTOR + index,
      name: names[index] ?? "",
    })),
    notifySocket: environment["NOTIFY_SOCKET"] || undefined,
    watchdog: watchdog > 0 ? watchdog : undefined,
  };
}

/** Sockets that this daemon may be handed, with the paths at which clients look for them. */
export interface Wanted {
  readonly control: string;
  /** Absent unless it serves in shared mode. */
  readonly shared?: string | undefined;
}

/** Which of them are there already. */
export interface Taken {
  readonly control?: number;
  readonly shared?: number;
}

/**
 * Takes the sockets that were handed over. A service manager that hands over another socket than clients look for is told so at once;
 * otherwise they would wait there for ever.
 *
 * @param own the uid that this daemon runs as
 * @throws KeyholeError `start-failed`
 */
export function takeSockets(
  offer: Offer,
  wanted: Wanted,
  own: number,
  native: Pick<Native, "listeningPath" | "closeOnExecute">,
): Taken {
  const taken: { control?: number; shared?: number } = {};
  for (const { descriptor } of offer.sockets) {
    const path = native.listeningPath(descriptor);
    if (path === undefined || !native.closeOnExecute(descriptor)) {
      throw failure(`descriptor ${descriptor} of the service manager is no listening Unix stream socket`);
    }
    // By place and not by name: a name is a word in a file, the place is where clients come.
    const role = (["control", "shared"] as const).find((each) => isSameSocket(path, wanted[each]));
    if (role === undefined) throw failure(misplaced(path, wanted));
    if (taken[role] !== undefined) throw failure(`the service manager handed over ${path} twice`);
    refuseOpen(path, own);
    taken[role] = descriptor;
  }
  return taken;
}

/** Milliseconds between two attempts to say READY=1, and their number: a unit's TimeoutStartSec= is 90 s. */
const RETRY = 100;
const ATTEMPTS = 600;

/** What the manager is told from then on. */
export interface Notices {
  ready(status: string): void;
  stopping(): void;
}

/** Says READY=1, STOPPING=1 and WATCHDOG=1. Does nothing where the service manager did not ask. */
export function createNotices(offer: Offer, native: Pick<Native, "sendDatagram">, clock: Clock): Notices {
  const { notifySocket, watchdog } = offer;
  let timer: Timer | undefined;
  const tell = (text: string): boolean => notifySocket !== undefined && native.sendDatagram(notifySocket, text);

  /** A manager that is busy has a full queue, and would wait for this word until it gives the service up. */
  function announce(text: string, attempts: number): void {
    if (tell(text) || attempts === 1) pat();
    else timer = clock.after(RETRY, () => announce(text, attempts - 1));
  }

  function pat(): void {
    if (watchdog === undefined || notifySocket === undefined) return;
    tell("WATCHDOG=1");
    // Half of it, as sd_watchdog_enabled(3) advises.
    timer = clock.after(watchdog / 2, pat);
  }

  return {
    ready: (status) => {
      if (notifySocket !== undefined) announce(`READY=1\nSTATUS=${status}`, ATTEMPTS);
    },
    stopping: () => {
      timer?.cancel();
      tell("STOPPING=1");
    },
  };
}

/** Others may not ask, whatever the daemon would answer; and who owns a socket's file may open it to them. */
function refuseOpen(path: string, own: number): void {
  const { uid, mode } = statSync(path);
  if (uid !== own && uid !== 0)
    throw failure(`the service manager's socket ${path} belongs to another user (uid ${uid})`);
  if ((mode & OTHERS) !== 0) throw failure(`the service manager's socket ${path} is open to every user`);
}

const OTHERS = 0o007;

function isSameSocket(path: string, wanted: string | undefined): boolean {
  if (wanted === undefined) return false;
  const [here, there] = [path, wanted].map((each) => statSync(each, { throwIfNoEntry: false }));
  return here?.isSocket() === true && isSameFile(here, there);
}

function misplaced(path: string, { control, shared }: Wanted): string {
  const places = shared === undefined ? control : `${control} or ${shared}`;
  return `the service manager listens at ${path}, and clients of this daemon look at ${places}`;
}

function failure(message: string): KeyholeError {
  return new KeyholeError("start-failed", message, "keyhole service install");
}

/** 0 for what is none. */
function wholeNumber(text: string | undefined): number {
  return text !== undefined && /^[0-9]{1,15}$/.test(text) ? Number(text) : 0;
}
