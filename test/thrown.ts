// What an action of a test ends with, where it must fail.
import { KeyholeError } from "../src/errors.ts";

type Kind<Failure extends Error> = abstract new (...words: never[]) => Failure;

/** The KeyholeError that `action` throws. @throws whatever else it throws, and if it throws nothing. */
export function thrownBy(action: () => unknown): KeyholeError {
  try {
    action();
  } catch (error) {
    return checkKind(error, KeyholeError);
  }
  throw new Error("nothing was thrown");
}

/** The KeyholeError, or the error of another kind, that `promise` rejects with; throws as `thrownBy` does. */
export function rejectionOf(promise: Promise<unknown>): Promise<KeyholeError>;
export function rejectionOf<Failure extends Error>(promise: Promise<unknown>, kind: Kind<Failure>): Promise<Failure>;
export async function rejectionOf(promise: Promise<unknown>, kind: Kind<Error> = KeyholeError): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return checkKind(error, kind);
  }
  throw new Error("nothing was rejected");
}

function checkKind<Failure extends Error>(error: unknown, kind: Kind<Failure>): Failure {
  if (error instanceof kind) return error;
  throw error;
}
