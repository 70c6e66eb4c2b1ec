// Values → the XML of AWS's Query protocol. Element order is the order of the fields; undefined fields are left out.
import type { StsError } from "./error.ts";

/** STS has one API version, and every client names it. */
export const API_VERSION = "2011-06-15";
const NAMESPACE = `https://sts.amazonaws.com/doc/${API_VERSION}/`;

/** Text, or elements within. */
export type Element = string | number | { readonly [name: string]: Element | undefined };

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

/** For text between tags, where quotes stay as they are; AWS leaves them, too. */
function escapeXml(text: string): string {
  return text.replace(/[&<>]/g, (character) => ENTITIES[character]!);
}

function render(element: Element): string {
  if (typeof element !== "object") return escapeXml(String(element));
  return Object.entries(element)
    .map(([name, value]) => (value === undefined ? "" : `<${name}>${render(value)}</${name}>`))
    .join("\n");
}

/** `<XResponse><XResult>…</XResult><ResponseMetadata>…`, as every Query operation answers. */
export function renderResult(action: string, result: Element, requestId: string): string {
  const body = render({ [`${action}Result`]: result, ResponseMetadata: { RequestId: requestId } });
  return `<${action}Response xmlns="${NAMESPACE}">\n${body}\n</${action}Response>\n`;
}

export function renderError(error: StsError, requestId: string): string {
  const type = error.status < 500 ? "Sender" : "Receiver";
  const body = render({ Error: { Type: type, Code: error.code, Message: error.message }, RequestId: requestId });
  return `<ErrorResponse xmlns="${NAMESPACE}">\n${body}\n</ErrorResponse>\n`;
}
