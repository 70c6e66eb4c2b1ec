// The record of every call, in the order of arrival.
import type { Parameters } from "./query.ts";

export interface Call {
  readonly action: string;
  /** As sent, without secrets. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly roleArn: string | undefined;
  /** The key that the caller named, whether or not its signature held. */
  readonly accessKeyId: string | undefined;
  /** Milliseconds since the epoch on the clock that the server was given, without its skew. */
  readonly at: number;
  readonly userAgent: string;
  /** `pending`, then `ok`, AWS's error code, `cut`, `garbage` or `aborted` (the client went away first). */
  readonly outcome: string;
  /** Whose key it was, if the signature held. */
  readonly arn?: string | undefined;
  /** The region that was signed for. */
  readonly region?: string | undefined;
  /** The key in the answer. */
  readonly issuedKeyId?: string | undefined;
}

export type Ending = Pick<Call, "outcome" | "arn" | "region" | "issuedKeyId">;
export type Match = Partial<Pick<Call, "roleArn" | "accessKeyId" | "outcome">>;

/** Parameters that are not written down: whoever reads a test's output must not learn them. */
const SECRET_PARAMETERS = new Set(["TokenCode", "WebIdentityToken", "X-Amz-Security-Token", "X-Amz-Signature"]);
const SECRET_FIELDS = /\.ContextAssertion$/;

export interface Calls {
  readonly all: Call[];
  /** The most calls that were pending at one time. */
  readonly peak: number;
  /** Writes a call down as pending; the function it returns completes the record. */
  begin(call: Omit<Call, "outcome" | "parameters"> & { readonly parameters: Parameters }): (ending: Ending) => void;
  count(action?: string, match?: Match): number;
  /** Resolves as soon as the condition holds; looks again at every change of the record. */
  until(condition: () => boolean): Promise<void>;
  reset(): void;
}

export function createCalls(): Calls {
  const all: Call[] = [];
  let waiting: { condition: () => boolean; resolve: () => void }[] = [];
  let pending = 0;
  let peak = 0;
  const changed = () => {
    if (waiting.length === 0) return;
    const done = waiting.filter(({ condition }) => condition());
    waiting = waiting.filter((waiter) => !done.includes(waiter));
    for (const { resolve } of done) resolve();
  };
  return {
    all,
    get peak() {
      return peak;
    },
    begin: ({ parameters, ...call }) => {
      const record = { ...call, parameters: withoutSecrets(parameters), outcome: "pending" };
      all.push(record);
      pending += 1;
      peak = Math.max(peak, pending);
      changed();
      return (ending) => {
        Object.assign(record, ending);
        pending -= 1;
        changed();
      };
    },
    count: (action, match = {}) => all.filter((call) => isOf(call, action, match)).length,
    until: (condition) =>
      new Promise((resolve) => {
        if (condition()) resolve();
        else waiting.push({ condition, resolve });
      }),
    reset: () => {
      all.length = 0;
      peak = pending;
    },
  };
}

function isOf(call: Call, action: string | undefined, { roleArn, accessKeyId, outcome }: Match): boolean {
  return (
    (action === undefined || call.action === action) &&
    (roleArn === undefined || call.roleArn === roleArn) &&
    (accessKeyId === undefined || call.accessKeyId === accessKeyId) &&
    (outcome === undefined || call.outcome === outcome)
  );
}

function withoutSecrets(parameters: Parameters): Record<string, string> {
  const kept = [...parameters].filter(([name]) => !SECRET_PARAMETERS.has(name) && !SECRET_FIELDS.test(name));
  return Object.fromEntries(kept);
}
