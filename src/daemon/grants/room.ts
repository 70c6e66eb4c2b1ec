// How many descriptors grants may take: each has a directory and a listener, and all their connections share the rest.

/** Connections of one grant. */
export const GRANT_CONNECTIONS = 32;

/** Descriptors of a grant that nobody is connected to: its directory and its listener. */
const HELD_BY_GRANT = 2;

/** Bounds the list of grants where descriptors do not. */
const MOST_GRANTS = 4_096;

/** Of what grants take, as far as it is counted here. */
export interface Crowded {
  readonly connections: number;
  yieldOne(): void;
}

export interface Room {
  readonly mostGrants: number;
  /** Connections that grants may have at once. */
  connections(grants: number): number;
}

/**
 * How many connections the control socket may have, and how many descriptors grants may take. Where there are few, half
 * of them are the control socket's, and no flood on one side starves the other.
 *
 * @param available Infinity where nothing bounds them
 * @param wanted connections of the control socket
 */
export function divideDescriptors(available: number, wanted: number): { control: number; grants: number } {
  const control = Math.max(1, Math.min(wanted, Math.ceil(available / 2)));
  return { control, grants: Math.max(0, available - control) };
}

/** @param descriptors that grants may take in all; Infinity where there is no limit */
export function createRoom(descriptors: number): Room {
  // Half of them at least are for connections.
  const mostGrants = Math.max(0, Math.min(MOST_GRANTS, Math.floor(descriptors / (2 * HELD_BY_GRANT))));
  return {
    mostGrants,
    connections: (grants) => Math.max(1, descriptors - HELD_BY_GRANT * grants),
  };
}

/** One connection more was accepted: if that is too many, whoever has the most of them gives one up. */
export function makeRoom(listeners: readonly Crowded[], most: number): void {
  let total = 0;
  let fullest: Crowded | undefined;
  for (const listener of listeners) {
    total += listener.connections;
    if (listener.connections > (fullest?.connections ?? 0)) fullest = listener;
  }
  if (total > most) fullest?.yieldOne();
}
