// THIRD-PARTY-NOTICES.txt: the licences of all that is in a release, each text once.
import type { Component } from "./components.ts";

const rule = "=".repeat(100);

/**
 * @param own keyhole's own licence
 * @param components in any order; one that stands in several executables may come several times
 */
export function writeNotices(own: string, components: readonly Component[]): string {
  const byNotice = new Map<string, Set<string>>();
  for (const { name, version, license, notice } of components) {
    const names = byNotice.get(notice) ?? new Set();
    byNotice.set(notice, names.add(`${name} ${version} (${license})`));
  }
  const sections = [...byNotice].map(([notice, names]) => [[...names].toSorted().join("\n"), notice] as const);
  return [
    "keyhole is under the Apache License 2.0, whose text ends this file. Its executables contain what is named below.",
    "musl, libstdc++ and libgcc are in those for Linux alone. The objects of libstdc++ and libgcc are Debian's; their\n" +
      "source is Debian's source package gcc-14. The exception below allows a program with them inside any terms.\n" +
      "cp-demangle.o in it is libiberty's: GPL 2 or later, with permission to link it into any program.",
    ...sections
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([names, notice]) => `${rule}\n${names}\n${rule}\n\n${notice.trim()}`),
    `${rule}\nkeyhole\n${rule}\n\n${own.trim()}\n`,
  ].join("\n\n");
}
