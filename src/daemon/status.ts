// What `daemon status` says of the daemon itself: from memory, at once, whatever STS is doing.
import type { DaemonStatus, ResponseOf } from "../wire/messages.ts";
import type { Counters } from "./counters.ts";
import type { Image } from "./image.ts";
import type { Listener } from "../server/listener.ts";
import { residentBytes } from "./process.ts";
import type { Sessions } from "./sessions/sessions.ts";
import type { Shared } from "./members/serve.ts";

type OwnStatus = Omit<DaemonStatus, "sessions">;

/** What does not change while the daemon lives. */
type Fixed = Pick<OwnStatus, "startedAt" | "socket" | "log" | "configDir" | "maxSessions" | "sharedSocket" | "managed">;

export interface StatusParts extends Fixed {
  readonly self: ResponseOf<"Hello">;
  readonly listener: Pick<Listener, "connections">;
  readonly sessions: Pick<Sessions, "clockSkew">;
  readonly counters: Counters;
  readonly image: Pick<Image, "notes">;
  readonly shared: Pick<Shared, "problems"> | undefined;
  readonly hasDiskLogs: boolean;
}

export function statusOf(parts: StatusParts): OwnStatus {
  const { self, listener, sessions, counters, image, shared, hasDiskLogs, ...fixed } = parts;
  const skew = Math.round(sessions.clockSkew ?? 0);
  return {
    ...self,
    ...fixed,
    connections: listener.connections,
    residentBytes: residentBytes(),
    clockBehindMs: Math.max(0, skew),
    clockAheadMs: Math.max(0, -skew),
    notes: [...image.notes(), ...(shared?.problems() ?? [])],
    // The last one is read by `keyhole audit`.
    counters: [...counters.list(), { name: "disk_logs", value: hasDiskLogs ? 1 : 0 }],
  };
}
