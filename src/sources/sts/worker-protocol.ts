// What the daemon and its worker write to each other: one JSON document a line. Both are one executable of one version.
import { KeyholeError } from "../../errors.ts";
import type { Exchange, StsFailure } from "./failure.ts";
import type { Caller, OperationName, Operations, StsAnswer } from "./transport.ts";

export type WorkerRequest = CallRequest | { readonly cancel: number };

export interface CallRequest<Name extends OperationName = OperationName> {
  readonly id: number;
  readonly name: Name;
  readonly input: Operations[Name]["input"];
  readonly caller: Caller;
}

/** Of every call that was not cancelled; in the order in which they end. */
export type WorkerAnswer =
  | ({ readonly id: number } & StsAnswer & { readonly failure?: undefined })
  | { readonly id: number; readonly failure: StsFailure; readonly exchange?: Exchange | undefined };

/** As it is written. */
export type DatedAnswer = WorkerAnswer & {
  /** The worker's clock, since the epoch. */
  readonly now: number;
};

/** Bytes. STS's own limit is 1 MiB (handler.ts), in which every byte of an error may have to be escaped. */
export const LARGEST_ANSWER = 8 * 1024 * 1024;
/** Bytes. A CA bundle and a session policy; the daemon is trusted not to exceed it. */
export const LARGEST_REQUEST = 64 * 1024 * 1024;

/**
 * The exit status of a child that finds itself to be another build than its daemon: the executable was replaced while
 * the daemon ran, and nothing says that the two still speak alike.
 */
export const OTHER_BUILD = 86;

export function replaced(): KeyholeError {
  return new KeyholeError(
    "unsupported-version",
    "keyhole was replaced by another version while this daemon ran",
    "keyhole daemon restart",
  );
}
