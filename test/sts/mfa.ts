// One MFA device and the code that it shows.
import { accessDenied } from "./error.ts";

export interface MfaDevice {
  readonly serialNumber: string;
  /** Six digits. A test that wants the next code replaces the device. */
  readonly code: string;
  /** Refuse a code that was accepted before, as AWS does within its 30 seconds. */
  readonly once?: boolean;
}

export interface Mfa {
  device: MfaDevice | undefined;
  /** Whether MFA was given. @throws StsError (AccessDenied) if it was, and is wrong. */
  check(serialNumber: string | undefined, code: string | undefined): boolean;
}

export function createMfa(device: MfaDevice | undefined): Mfa {
  const used = new Set<string>();
  const mfa: Mfa = {
    device,
    check: (serialNumber, code) => {
      if (serialNumber === undefined && code === undefined) return false;
      const isRight = serialNumber === mfa.device?.serialNumber && code === mfa.device?.code && code !== undefined;
      if (!isRight || (mfa.device?.once === true && used.has(code))) {
        throw accessDenied("MultiFactorAuthentication failed with invalid MFA one time pass code. ");
      }
      used.add(code);
      return true;
    },
  };
  return mfa;
}
