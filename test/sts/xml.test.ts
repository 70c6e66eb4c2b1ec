import { expect, test } from "bun:test";
import { StsError } from "./error.ts";
import { renderError, renderResult } from "./xml.ts";

test("a result is nested, escaped, and without what is undefined", () => {
  const result = { Arn: "a<b>&'c'", Credentials: { Key: "k", Expiration: undefined }, PackedPolicySize: 5 };
  expect(renderResult("AssumeRole", result, "id")).toBe(
    `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleResult><Arn>a&lt;b&gt;&amp;'c'</Arn>
<Credentials><Key>k</Key>
</Credentials>
<PackedPolicySize>5</PackedPolicySize></AssumeRoleResult>
<ResponseMetadata><RequestId>id</RequestId></ResponseMetadata>
</AssumeRoleResponse>
`,
  );
});

test.each([
  [400, "Sender"],
  [403, "Sender"],
  [503, "Receiver"],
])("an error of status %d is the fault of the %s", (status, type) => {
  expect(renderError(new StsError("Code", "a & b", status), "id")).toBe(
    `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<Error><Type>${type}</Type>
<Code>Code</Code>
<Message>a &amp; b</Message></Error>
<RequestId>id</RequestId>
</ErrorResponse>
`,
  );
});
