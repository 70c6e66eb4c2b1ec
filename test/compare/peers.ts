// What keyhole is compared with: how each answers `credential_process` for the profile `dev`, a role on top of the keys of
// `work`, and what is quoted because no command here shows it.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Place {
  readonly home: string;
  /** Runs a command of the tool, with the keys of `work` in its environment. @throws Error where it fails */
  readonly run: (words: readonly string[]) => Promise<void>;
}

/** What is known from a document, not from a run. */
export interface Quotes {
  /** Whether sessions are renewed while nobody asks. */
  readonly renews: string;
  /** What a container or sandbox can be given. */
  readonly sandbox: string;
  /** Version and source of what is quoted. */
  readonly source: string;
}

export interface Tool extends Quotes {
  readonly name: string;
  /** Undefined for what is quoted alone. */
  readonly measured?: {
    readonly version: string;
    /** Where it is not what install.sh makes. */
    readonly program?: string;
    /** Before the first answer. */
    readonly prepare: (place: Place, program: string) => Promise<unknown>;
    readonly words: readonly string[];
    /** Ends what still runs. */
    readonly end?: readonly string[];
  };
}

const ROLE = "arn:aws:iam::111122223333:role/dev";
const config = `AssumeRole:\n  RoleArn: ${ROLE}\n  RoleSessionName: dev\nSession:\n  profile_name: work\n`;

/** ~/.aws, as each of them reads it. */
export function writeProfiles(home: string, key: { accessKeyId: string; secretAccessKey: string }): void {
  mkdirSync(join(home, ".aws"), { mode: 0o700 });
  const profile = `[profile dev]\nrole_arn = ${ROLE}\nsource_profile = work\nregion = eu-west-1\n`;
  writeFileSync(join(home, ".aws", "config"), `[profile work]\nregion = eu-west-1\n${profile}`, { mode: 0o600 });
  const keys = `[work]\naws_access_key_id = ${key.accessKeyId}\naws_secret_access_key = ${key.secretAccessKey}\n`;
  writeFileSync(join(home, ".aws", "credentials"), keys, { mode: 0o600 });
}

function writeConfig(home: string, directory: string): void {
  mkdirSync(join(home, directory, "configs"), { recursive: true, mode: 0o700 });
  writeFileSync(join(home, directory, "configs", "dev.yaml"), config, { mode: 0o600 });
}

export const tools: readonly Tool[] = [
  {
    name: "keyhole",
    measured: {
      version: "this build",
      prepare: async ({ home }) => writeConfig(home, ".keyhole"),
      words: ["export", "--format", "credential-process", "-n", "dev"],
      end: ["daemon", "stop"],
    },
    renews: "yes",
    sandbox: "one role, revocable; or signatures alone",
    source: "this repository",
  },
  {
    name: "elhaz",
    measured: {
      version: "0.5.6",
      prepare: async ({ home, run }, program) => {
        writeConfig(home, ".elhaz");
        await run([program, "daemon", "start"]);
      },
      words: ["export", "--format", "credential-process", "-n", "dev"],
      end: ["daemon", "stop"],
    },
    renews: "when asked",
    sandbox: "its socket: every config",
    source: "elhaz 0.5.6, elhaz/daemon.py",
  },
  {
    name: "AWS CLI",
    measured: {
      version: "2.9.19",
      program: "/usr/bin/aws",
      prepare: async () => {},
      words: ["configure", "export-credentials", "--profile", "dev"],
    },
    renews: "when asked",
    sandbox: "nothing",
    source: "AWS CLI 2.9.19, awscli/customizations/configure/exportcreds.py",
  },
  {
    name: "aws-vault",
    measured: {
      version: "7.2.0",
      prepare: ({ run }, program) => run([program, "add", "--env", "work"]),
      words: ["export", "--format=json", "dev"],
    },
    renews: "when asked",
    sandbox: "an HTTP server: any role by its ARN",
    source: "aws-vault 7.2.0, usage",
  },
  {
    name: "granted",
    measured: {
      version: "0.38.0",
      prepare: async ({ home }) => {
        mkdirSync(join(home, ".granted"), { mode: 0o700 });
        const text = `DefaultBrowser = "STDOUT"\nOrdering = ""\n[Keyring]\n  Backend = "file"\n  FileDir = "${home}/.granted/keyring"\n`;
        writeFileSync(join(home, ".granted", "config"), text);
      },
      words: ["credential-process", "--profile", "dev"],
    },
    renews: "when asked",
    sandbox: "nothing",
    source: "granted 0.38.0, pkg/granted/credential_process.go",
  },
  {
    name: "aws-sso-cli",
    renews: "when asked",
    sandbox: "an HTTP server: the roles loaded into it",
    source: "aws-sso-cli 1.17.0, docs/ecs-server.md",
  },
  { name: "saml2aws", renews: "no", sandbox: "nothing", source: "saml2aws 2.36.19, its documentation" },
];
