// Where the daemon's files import it from.
export { keyholeErrorOf } from "../errors.ts";
