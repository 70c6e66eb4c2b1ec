import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNotices, readOffer, takeSockets, type Offer } from "../../src/daemon/systemd.ts";
import { thrownBy } from "../thrown.ts";
import { FakeClock } from "./fakes/clock.ts";

const PID = 42;
const OWN = process.getuid!();
const NOTHING: Offer = { sockets: [], notifySocket: undefined, watchdog: undefined };

/** Where the descriptors from 3 on listen. */
const listeningAt = (...paths: (string | undefined)[]) => ({
  listeningPath: (descriptor: number) => paths[descriptor - 3],
  closeOnExecute: () => true,
});
const offerOf = (count: number): Offer => ({
  ...NOTHING,
  sockets: Array.from({ length: count }, (_, index) => ({ descriptor: 3 + index, name: "anything" })),
});

function setUp(offered: Partial<Offer>) {
  const clock = new FakeClock();
  const sent: string[] = [];
  const native = {
    sendDatagram: (path: string, text: string) => {
      sent.push(`${path}: ${text}`);
      return true;
    },
  };
  return { clock, sent, notices: createNotices({ ...NOTHING, ...offered }, native, clock) };
}

describe("what the service manager says", () => {
  test.each<[environment: Record<string, string>, offer: Partial<Offer>]>([
    [{}, {}],
    [{ LISTEN_PID: "42", LISTEN_FDS: "1" }, { sockets: [{ descriptor: 3, name: "" }] }],
    [
      { LISTEN_PID: "42", LISTEN_FDS: "2", LISTEN_FDNAMES: "control:shared" },
      {
        sockets: [
          { descriptor: 3, name: "control" },
          { descriptor: 4, name: "shared" },
        ],
      },
    ],
    // Inherited by mistake from somebody else.
    [{ LISTEN_PID: "41", LISTEN_FDS: "1" }, {}],
    [{ LISTEN_FDS: "1" }, {}],
    [{ LISTEN_PID: "42", LISTEN_FDS: "x" }, {}],
    [{ LISTEN_PID: "42", LISTEN_FDS: "-1" }, {}],
    [{ NOTIFY_SOCKET: "/run/n" }, { notifySocket: "/run/n" }],
    [{ NOTIFY_SOCKET: "" }, {}],
    [{ WATCHDOG_USEC: "60000000" }, { watchdog: 60_000 }],
    [{ WATCHDOG_USEC: "60000000", WATCHDOG_PID: "42" }, { watchdog: 60_000 }],
    [{ WATCHDOG_USEC: "60000000", WATCHDOG_PID: "41" }, {}],
    [{ WATCHDOG_USEC: "0" }, {}],
  ])("%j", (environment, offer) => {
    expect(readOffer(environment, PID)).toEqual({ ...NOTHING, ...offer });
  });

  test("no more descriptors are looked at than anybody hands over", () => {
    expect(readOffer({ LISTEN_PID: "42", LISTEN_FDS: "999999999" }, PID).sockets).toHaveLength(16);
  });
});

describe("a socket that is handed over", () => {
  let directory: string;
  let control: string;
  let shared: string;
  const listeners: { stop(): void }[] = [];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "keyhole-manager-"));
    control = join(directory, "control.sock");
    shared = join(directory, "shared.sock");
    for (const unix of [control, shared]) {
      listeners.push(Bun.listen({ unix, socket: { data: () => {} } }));
      chmodSync(unix, 0o660);
    }
  });
  afterEach(() => {
    for (const listener of listeners.splice(0)) listener.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  test("is told by where it listens, in any order and under any name", () => {
    expect(takeSockets(offerOf(2), { control, shared }, OWN, listeningAt(shared, control))).toEqual({
      control: 4,
      shared: 3,
    });
    expect(takeSockets(offerOf(1), { control }, OWN, listeningAt(control))).toEqual({ control: 3 });
    expect(takeSockets(NOTHING, { control }, OWN, listeningAt())).toEqual({});
  });

  test("is the same over another way to the same place", () => {
    const link = `${directory}-link`;
    symlinkSync(directory, link);
    expect(takeSockets(offerOf(1), { control }, OWN, listeningAt(`${link}/control.sock`))).toEqual({ control: 3 });
    rmSync(link);
  });

  test.each<[title: string, paths: () => (string | undefined)[], message: RegExp]>([
    [
      "that nobody looks for",
      () => [shared],
      /listens at .*shared\.sock, and clients of this daemon look at .*control/,
    ],
    ["that has no file", () => [join(directory, "gone")], /listens at .*gone, and clients/],
    ["that is none", () => [undefined], /^descriptor 3 of the service manager is no listening Unix stream socket$/],
    ["twice", () => [control, control], /handed over .*control\.sock twice$/],
  ])("%s is an error at the start", (_, paths, message) => {
    const error = thrownBy(() => takeSockets(offerOf(paths().length), { control }, OWN, listeningAt(...paths())));
    expect(error.kind).toBe("start-failed");
    expect(error.message).toMatch(message);
  });

  test("that everybody may connect to, or that is another user's, is not taken", () => {
    chmodSync(control, 0o666);
    const take = (own: number) =>
      thrownBy(() => takeSockets(offerOf(1), { control }, own, listeningAt(control))).message;
    expect(take(OWN)).toEndWith("is open to every user");
    if (OWN === 0) chownSync(control, 1234, 1234);
    const owner = OWN === 0 ? 1234 : OWN;
    expect(take(owner + 1)).toEndWith(`belongs to another user (uid ${owner})`);
  });

  test("that would stay open in children is not taken", () => {
    const leaking = { ...listeningAt(control), closeOnExecute: () => false };
    expect(thrownBy(() => takeSockets(offerOf(1), { control }, OWN, leaking)).kind).toBe("start-failed");
  });
});

describe("what the service manager is told", () => {
  test("ready once, alive twice in each period, and stopping at the end", async () => {
    const { clock, sent, notices } = setUp({ notifySocket: "/n", watchdog: 60_000 });
    notices.ready("serving");
    expect(sent.splice(0)).toEqual(["/n: READY=1\nSTATUS=serving", "/n: WATCHDOG=1"]);
    await clock.advance(60_000);
    expect(sent.splice(0)).toEqual(["/n: WATCHDOG=1", "/n: WATCHDOG=1"]);
    notices.stopping();
    await clock.advance(60_000);
    expect(sent).toEqual(["/n: STOPPING=1"]);
  });

  test("no sign of life where none is wanted", async () => {
    const { clock, sent, notices } = setUp({ notifySocket: "@n" });
    notices.ready("serving");
    expect([clock.armed, sent]).toEqual([0, ["@n: READY=1\nSTATUS=serving"]]);
  });

  test("that it is ready, again and again until a busy manager takes it", async () => {
    const clock = new FakeClock();
    let isBusy = true;
    const sent: string[] = [];
    const native = { sendDatagram: (_: string, text: string) => !isBusy && sent.push(text) > 0 };
    const notices = createNotices({ ...NOTHING, notifySocket: "/n", watchdog: 60_000 }, native, clock);
    notices.ready("serving");
    await clock.advance(1000);
    isBusy = false;
    await clock.advance(100);
    expect(sent).toEqual(["READY=1\nSTATUS=serving", "WATCHDOG=1"]);
    notices.stopping();
    expect(clock.armed).toBe(0);
  });

  test("nothing where there is no service manager", async () => {
    const { clock, sent, notices } = setUp({ watchdog: 1000 });
    notices.ready("serving");
    notices.stopping();
    expect([clock.armed, sent]).toEqual([0, []]);
  });
});
