// Keys of the test's STS in files of AWS's own, rather than in the environment of whoever asks.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Key } from "../sts/server.ts";
import type { Machine } from "./machine.ts";

type Keys = Pick<Key, "accessKeyId" | "secretAccessKey" | "sessionToken">;

export function credentialsFile(keys: Keys, profile = "default"): string {
  const lines = [
    `[${profile}]`,
    `aws_access_key_id = ${keys.accessKeyId}`,
    `aws_secret_access_key = ${keys.secretAccessKey}`,
    ...(keys.sessionToken === undefined ? [] : [`aws_session_token = ${keys.sessionToken}`]),
  ];
  return `${lines.join("\n")}\n`;
}

/**
 * Moves a machine's source credentials from its environment to ~/.aws/credentials: a grant still has them after a
 * restart of the daemon.
 *
 * @returns what was made
 */
export function moveKeysToFile(machine: Machine): readonly string[] {
  const directory = join(machine.home, ".aws");
  const file = join(directory, "credentials");
  mkdirSync(directory, { mode: 0o700 });
  writeFileSync(file, credentialsFile(machine.sts.root), { mode: 0o600 });
  delete machine.environment["AWS_ACCESS_KEY_ID"];
  delete machine.environment["AWS_SECRET_ACCESS_KEY"];
  return [directory, file];
}

/** The environment of a requester whose keys are in a file that it names, as the profile `mine`. */
export function environmentWithFile(machine: Machine): Record<string, string | undefined> {
  const file = join(machine.home, "credentials");
  writeFileSync(file, credentialsFile(machine.sts.root, "mine"));
  return {
    AWS_PROFILE: "mine",
    AWS_SHARED_CREDENTIALS_FILE: file,
    AWS_ACCESS_KEY_ID: undefined,
    AWS_SECRET_ACCESS_KEY: undefined,
  };
}
