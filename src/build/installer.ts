// install.sh as a release has it: with the address of the releases.

/** Stands once in install.sh, between single quotes. */
const placeholder = "@BASE_URL@";

/**
 * The script with its address; without one it is as in the repository, and asks for KEYHOLE_BASE_URL.
 * @throws Error for an address that the script would refuse, or that would end its quotes
 */
export function stampInstaller(script: string, baseUrl: string | undefined): string {
  if (script.split(placeholder).length !== 2) throw new Error(`install.sh has not one ${placeholder}`);
  if (baseUrl === undefined) return script;
  if (!/^(?:https?:\/\/[^/]|file:\/\/\/)/.test(baseUrl)) {
    throw new Error(`the address must begin with https://, http:// or file:///: ${JSON.stringify(baseUrl)}`);
  }
  // What an address may hold (RFC 3986), without the apostrophe.
  if (!/^[\w\-.~:/?#[\]@!$&()*+,;=%]+$/.test(baseUrl)) {
    throw new Error(`the address has a character that it must not have: ${JSON.stringify(baseUrl)}`);
  }
  return script.replace(placeholder, () => baseUrl.replace(/\/+$/, ""));
}
