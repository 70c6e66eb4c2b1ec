// What stands between an SDK's call and its answer. Every command imports this file through command.ts: the bundler
// makes a chunk of each set of modules that are always loaded together, and so of these one instead of ten, which is
// worth more than a millisecond of the five that a start takes. Nothing slow may be added (BUN.md, 5).
// oxlint-disable import/no-unassigned-import -- named for the bundler alone
import "../client/connection.ts";
import "../environment.ts";
import "./broker.ts";
import "./configs.ts";
import "./formats.ts";
import "./lookup.ts";
import "./names.ts";
import "./ui.ts";
