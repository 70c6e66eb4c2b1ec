// A scripted source of credentials: counts calls, hangs, fails, answers when told to.
import { Credentials } from "../../../src/credentials.ts";
import { OVERDUE } from "../../../src/daemon/sessions/semaphore.ts";
import { type ErrorName, KeyholeError } from "../../../src/errors.ts";
import type {
  AssumedRole,
  AssumeRequest,
  CallerIdentity,
  ClockStanding,
  CredentialSource,
  ReadFiles,
  RoleRequest,
  SaidWay,
} from "../../../src/sources/source.ts";
import type { FakeClock } from "./clock.ts";

/** A call that waits for the test. */
export interface HeldCall {
  readonly request: AssumeRequest;
  /** Answers as AWS would now. */
  release(): void;
  fail(kind: ErrorName): void;
}

export class FakeSource implements CredentialSource {
  readonly #clock: FakeClock;
  readonly calls: AssumeRequest[] = [];
  /** AWS's time of each call. */
  readonly times: number[] = [];
  readonly identifications: RoleRequest[] = [];
  /** How source credentials are found, before STS is called. */
  resolve: ((request: AssumeRequest) => Promise<unknown>) | undefined;
  /** Milliseconds; the duration the config asks for if undefined. */
  lifetime: number | undefined;
  /** Whether answers carry a date. */
  hasDate = true;
  /** Of answers. */
  clock: ClockStanding = "aws";
  failure: KeyholeError | undefined;
  identityFailure: KeyholeError | undefined;
  /** What GetCallerIdentity says; an ARN of the key's own if undefined. */
  identity: string | undefined;
  /** Of what is handed out as it is. */
  ungrantable: string | undefined;
  /** GetCallerIdentity never answers. */
  identityHangs = false;
  /** Every call, or those of some names, wait in `held`. */
  holds: boolean | ReadonlySet<string> = false;
  held: HeldCall[] = [];
  /** Calls under way that were not aborted, and the most there ever were: in all, and of one name. */
  underWay = 0;
  peak = 0;
  peakOfOneName = 0;
  /** The most that were under way and had begun within `OVERDUE`. */
  peakOfYoung = 0;
  readonly #begun = new Set<{ readonly at: number }>();
  readonly #byName = new Map<string, number>();

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  get count(): number {
    return this.calls.length;
  }

  /** Of the files that it would read. */
  files: string | undefined = "unchanged";

  /** What the shared config files say. */
  shared: ReadFiles = { paths: [], stamp: "1", digest: "a" };
  /** How often a child has read them without being asked for credentials. */
  rereads = 0;

  stampOf(): Promise<string | undefined> {
    return Promise.resolve(this.shared.stamp);
  }

  reread(): Promise<ReadFiles> {
    this.rereads += 1;
    return Promise.resolve(this.shared);
  }

  stamp(): Promise<string | undefined> {
    return Promise.resolve(this.files);
  }

  /** The config files that say how STS is reached, for who names them. */
  waysOf = new Set<string>();

  wayOf({ config, environment }: RoleRequest): Promise<SaidWay> {
    const { AWS_CONFIG_FILE: file = "" } = environment;
    return Promise.resolve({
      region: config.STS?.region_name,
      ownFiles: this.waysOf.has(file) ? file : undefined,
    });
  }

  async assume(request: AssumeRequest): Promise<AssumedRole> {
    await this.resolve?.(request);
    return request.turn(request.config.STS?.endpoint_url ?? "", () => this.#call(request));
  }

  async #call(request: AssumeRequest): Promise<AssumedRole> {
    this.calls.push(request);
    this.times.push(this.#clock.truth);
    const end = this.#begin(request);
    request.signal.addEventListener("abort", end);
    try {
      if (this.holds === true || (this.holds !== false && this.holds.has(request.name))) await this.#hold(request);
      else if (this.failure !== undefined) throw this.failure;
      return this.#answer(request);
    } finally {
      end();
    }
  }

  async identify(request: RoleRequest, credentials: Credentials): Promise<CallerIdentity> {
    this.identifications.push(request);
    if (this.identityHangs) await Promise.withResolvers<void>().promise;
    if (this.identityFailure !== undefined) throw this.identityFailure;
    return {
      userId: "AROAFAKE:test",
      account: "111122223333",
      arn: this.identity ?? `arn:fake:${credentials.accessKeyId}`,
    };
  }

  #begin({ name }: AssumeRequest): () => void {
    const ofName = (this.#byName.get(name) ?? 0) + 1;
    this.#byName.set(name, ofName);
    this.underWay += 1;
    this.peak = Math.max(this.peak, this.underWay);
    this.peakOfOneName = Math.max(this.peakOfOneName, ofName);
    const call = { at: this.#clock.monotonic() };
    this.#begun.add(call);
    const young = [...this.#begun].filter(({ at }) => call.at - at < OVERDUE);
    this.peakOfYoung = Math.max(this.peakOfYoung, young.length);
    return () => {
      if (!this.#begun.delete(call)) return;
      this.underWay -= 1;
      this.#byName.set(name, (this.#byName.get(name) ?? 0) - 1);
    };
  }

  /** Deaf to the abort signal, as a bad source would be. */
  #hold(request: AssumeRequest): Promise<void> {
    return new Promise((resolve, reject) => {
      this.held.push({ request, release: resolve, fail: (kind) => reject(failureOf(kind)) });
    });
  }

  #answer({ name, config, environment }: AssumeRequest): AssumedRole {
    const { truth } = this.#clock;
    const lifetime = this.lifetime ?? (config.AssumeRole?.DurationSeconds ?? 3_600) * 1000;
    const date = Math.floor(truth / 1000) * 1000;
    return {
      credentials: new Credentials({
        accessKeyId: `ASIA-${name}-${this.count}`,
        secretAccessKey: "secret",
        sessionToken: "token",
        expiresAt: truth + lifetime,
        accountId: "111122223333",
      }),
      assumedRoleId: "AROAFAKE:test",
      arn: config.AssumeRole?.RoleArn ?? "",
      region: config.STS?.region_name,
      sourceDescription: `profile ${environment["AWS_PROFILE"] ?? "none"}`,
      clockSkew: this.hasDate ? date - this.#clock.wall() : undefined,
      clock: this.clock,
      notes: [],
      ungrantable: this.ungrantable,
      files: this.shared,
    };
  }
}

export function failureOf(kind: ErrorName): KeyholeError {
  return new KeyholeError(kind, `scripted ${kind}`);
}
