// What the server is told to do wrong, for which calls, and how often.

/** A refusal by name, or spelled out. The message may hold a canary that must turn up nowhere. */
export type Failure =
  "Throttling" | "SlowDown" | { readonly code: string; readonly message: string; readonly status?: number };

export type Garbage = "text" | "html" | "wrong-shape" | "empty";

/** A fault, as JSON. Effects combine: `delay` and `hang` come first, then the first of `cut`, `fail`, `garbage`. */
export interface Fault {
  /** Only calls of this action, role, access key; all of them if absent. */
  readonly action?: string;
  readonly roleArn?: string;
  readonly accessKeyId?: string;
  /** Only the next so many calls; until cleared if absent. */
  readonly times?: number;

  /** Milliseconds to wait before anything else. */
  readonly delay?: number;
  /** Wait until the faults are cleared; the call then goes on. */
  readonly hang?: boolean;
  readonly fail?: Failure;
  /** Close the connection without a byte of an answer, or in the middle of one; the latter has issued a key. */
  readonly cut?: "before" | "midway";
  /** Status 200, and a body that is no answer. */
  readonly garbage?: Garbage;
  /** Leave Expiration out of the credentials. */
  readonly omitExpiration?: boolean;
}

export type Effects = Omit<Fault, "action" | "roleArn" | "accessKeyId" | "times">;

interface CallKind {
  readonly action: string;
  readonly roleArn: string | undefined;
  readonly accessKeyId: string | undefined;
}

export interface Faults {
  add(fault: Fault): void;
  /** Forgets every fault and lets hanging calls go. */
  clear(): void;
  /** The effects of every fault that fits the call, the earlier ones first; each is used up by one. */
  take(call: CallKind): Effects;
  /** Resolves at the next `clear`. */
  cleared(): Promise<void>;
}

export function createFaults(): Faults {
  let active: { fault: Fault; left: number }[] = [];
  let release = Promise.withResolvers<void>();
  return {
    add: (fault) => {
      active.push({ fault, left: fault.times ?? Infinity });
    },
    clear: () => {
      active = [];
      release.resolve();
      release = Promise.withResolvers<void>();
    },
    take: (call) => {
      let effects: Effects = {};
      for (const entry of active) {
        if (!fits(entry.fault, call)) continue;
        entry.left -= 1;
        effects = { ...entry.fault, ...effects };
      }
      active = active.filter(({ left }) => left > 0);
      return effects;
    },
    cleared: () => release.promise,
  };
}

function fits(fault: Fault, call: CallKind): boolean {
  return (
    (fault.action === undefined || fault.action === call.action) &&
    (fault.roleArn === undefined || fault.roleArn === call.roleArn) &&
    (fault.accessKeyId === undefined || fault.accessKeyId === call.accessKeyId)
  );
}
