// Alike events of one process within a second as one line: whoever asks 30,000 times a second must not cost as many
// writes, nor rotate the evidence out.
import type { AuditEvent, RecordAudit } from "../../audit/event.ts";
import type { Clock, Timer } from "../../clock.ts";

/** Milliseconds. */
const WINDOW = 1000;

/** The event that was written at once, and how many followed it. */
interface Repeat {
  readonly event: AuditEvent;
  more: number;
}

export interface Repeats {
  /**
   * The first is written at once, the others as one line with their count when the second is over. Whether the peer
   * still lives is asked for the first alone.
   *
   * @param what the same value for what is alike
   */
  record(what: unknown, pid: number | undefined, event: () => AuditEvent): void;
  /** Writes what is counted. */
  flush(): void;
}

export function collectRepeats(record: RecordAudit, clock: Clock): Repeats {
  const open = new Map<unknown, Map<number | undefined, Repeat>>();
  let timer: Timer | undefined;

  function flush(): void {
    timer?.cancel();
    timer = undefined;
    for (const ofPid of open.values()) {
      for (const { event, more } of ofPid.values()) if (more > 0) record({ ...event, count: more });
    }
    open.clear();
  }

  function begin(what: unknown, pid: number | undefined, event: AuditEvent): void {
    const ofPid = open.get(what) ?? new Map<number | undefined, Repeat>();
    ofPid.set(pid, { event, more: 0 });
    open.set(what, ofPid);
    timer ??= clock.after(WINDOW, flush);
    record(event);
  }

  return {
    record: (what, pid, event) => {
      const repeat = open.get(what)?.get(pid);
      if (repeat === undefined) begin(what, pid, event());
      else repeat.more += 1;
    },
    flush,
  };
}
