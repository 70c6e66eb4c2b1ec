// What the daemon and a signer say to each other: lines of JSON on the signer's stdin and stdout.
import type { SignTerms } from "../grants/grant.ts";
import type { Proxies } from "../sources/sts/proxy.ts";
import type { EndpointSettings } from "./host.ts";
import type { Entry } from "./request.ts";
import type { Keys } from "./sigv4.ts";

/** First of all. */
export interface SignerStart {
  /** In its working directory, under a name of its own. */
  readonly socket: string;
  /** Of 127.0.0.1, where it serves the host as well. */
  readonly port: number | undefined;
  readonly dummy: Omit<Keys, "sessionToken">;
  readonly policy: SignTerms;
  readonly rate: { readonly count: number; readonly milliseconds: number };
  readonly endpoints: EndpointSettings;
  /** With their passwords. */
  readonly proxies: Proxies;
  /** A file of certificates to trust instead of the system's; false trusts any. */
  readonly verify: string | boolean;
}

/** Answers to a question, by its number. */
export type ToSigner =
  | { readonly id: number; readonly keys: Keys; readonly expiresAt: number }
  | { readonly id: number; readonly error: string }
  | { readonly id: number; readonly confirmed: boolean }
  /** Nothing new comes: it ends when what is under way has. */
  | { readonly drain: true };

export type FromSigner =
  | { readonly ready: true }
  | { readonly failed: string }
  | { readonly wants: number }
  | { readonly confirm: number; readonly text: string }
  | { readonly record: readonly Entry[] }
  /** Connections that are open. */
  | { readonly connections: number };

/** Bytes of a line of either. */
export const LARGEST_LINE = 1024 * 1024;
