import { describe, expect, test } from "bun:test";
import { hostPrefixOf, regionOf, upstreamOf } from "../../src/signer/host.ts";
import { type Asked, nameOperations, needsBody } from "../../src/signer/operation.ts";
import { hasRepeatedKey, resourcesOf } from "../../src/signer/resource.ts";
import type { Header } from "../../src/signer/sigv4.ts";
import { serviceNames, serviceOf, servicesAt } from "../../src/signer/table.ts";
import { vendingOperations } from "../../src/signer/vending-operations.ts";

interface Form {
  readonly method?: string;
  readonly path?: string;
  readonly query?: string;
  readonly headers?: readonly Header[];
  readonly body?: string;
}

function asked({ method = "GET", path = "/", query = "", headers = [], body }: Form): Asked {
  return { method, path, query, headers, body: body === undefined ? undefined : Buffer.from(body) };
}

const namesOf = (prefix: string, form: Form) =>
  nameOperations(asked(form), servicesAt(prefix)).map(({ operation }) => operation.title);

const copied: Header = ["x-amz-copy-source", "/bucket/key"];
const target = (text: string): Header => ["x-amz-target", text];

describe("the operation of a request", () => {
  test.each<[string, Form, readonly string[]]>([
    ["s3", {}, ["s3:ListBuckets"]],
    ["s3", { path: "/b" }, ["s3:ListObjects"]],
    ["s3", { path: "/b/" }, ["s3:ListObjects"]],
    ["s3", { path: "/b", query: "list-type=2&prefix=a" }, ["s3:ListObjectsV2"]],
    ["s3", { path: "/b/a//../k" }, ["s3:GetObject"]],
    ["s3", { path: "/b/k", query: "acl" }, ["s3:GetObjectAcl"]],
    ["s3", { path: "/b/k", query: "acl&tagging=" }, ["s3:GetObjectAcl", "s3:GetObjectTagging"]],
    ["s3", { path: "/b/k", query: "uploadId=1" }, ["s3:ListParts"]],
    ["s3", { path: "/b/k", method: "PUT" }, ["s3:PutObject"]],
    ["s3", { path: "/b/k", method: "PUT", query: "partNumber=1&uploadId=2" }, ["s3:UploadPart"]],
    ["s3", { path: "/b/k", method: "PUT", headers: [copied] }, ["s3:CopyObject"]],
    ["s3", { path: "/b/k", method: "PUT", query: "partNumber=1&uploadId=2", headers: [copied] }, ["s3:UploadPartCopy"]],
    ["s3", { path: "/b", query: "session" }, ["s3:CreateSession"]],
    ["s3", { path: "/b/k", query: "unheard-of" }, []],
    ["s3", { path: "/b/k", query: "acl&unheard-of=1" }, []],
    ["s3", { path: "/b", query: "ACL" }, []],
    // Of a bucket, and not of an object; of a part, and of no whole object.
    ["s3", { path: "/b/k", query: "lifecycle" }, []],
    ["s3", { path: "/b/k", method: "PUT", query: "uploadId=2" }, []],
    ["s3", { path: "/b/k", method: "DELETE", query: "acl" }, []],
    ["s3", { path: "/b/k", query: "x-id=GetObject&versionId=1&response-expires=x&partNumber=1" }, ["s3:GetObject"]],
    ["s3", { path: "/b/k", query: "x-amz-checksum-mode=ENABLED" }, ["s3:GetObject"]],
    ["s3", { path: "/b/k", headers: [["x-amz-acl", "private"]] }, ["s3:GetObject"]],
    ["s3", { path: "/b/k", method: "PUT", headers: [["x-amz-grant-read", "x"]] }, ["s3:PutObject", "s3:PutObjectAcl"]],
    ["s3", { path: "/b/k", method: "PUT", query: "X-Amz-Acl=private" }, ["s3:PutObject", "s3:PutObjectAcl"]],
    ["s3", { path: "/b/k", method: "PUT", query: "acl", headers: [["x-amz-acl", "private"]] }, ["s3:PutObjectAcl"]],
    [
      "s3",
      { path: "/b/k", method: "POST", query: "uploads", headers: [["x-amz-tagging", "a=b"]] },
      ["s3:CreateMultipartUpload", "s3:PutObjectTagging"],
    ],
    ["s3", { path: "/b", method: "PUT", headers: [["x-amz-acl", "private"]] }, ["s3:CreateBucket", "s3:PutBucketAcl"]],
    [
      "cloudfront",
      { path: "/2020-05-31/tagging", method: "POST", query: "Operation=Tag&Operation=Untag" },
      ["cloudfront:TagResource", "cloudfront:UntagResource"],
    ],
    ["dynamodb", { method: "POST", headers: [target("DynamoDB_20120810.PutItem")] }, ["dynamodb:PutItem"]],
    ["dynamodb", { method: "POST", headers: [target("DynamoDB_20120810.Nothing")] }, []],
    ["dynamodb", { method: "POST", headers: [target("Other.PutItem")] }, []],
    ["dynamodb", { method: "POST" }, []],
    ["sts", { method: "POST", body: "Action=GetCallerIdentity&Version=2011-06-15" }, ["sts:GetCallerIdentity"]],
    ["sts", { query: "Action=GetCallerIdentity&Version=2011-06-15" }, ["sts:GetCallerIdentity"]],
    [
      "sts",
      {
        method: "POST",
        query: "Action=GetCallerIdentity&Version=2011-06-15",
        body: "Action=AssumeRole&Version=2011-06-15",
      },
      ["sts:AssumeRole", "sts:GetCallerIdentity"],
    ],
    ...["APPLICATION/X-WWW-FORM-URLENCODED", "application/x-www-form-urlencoded ; charset=UTF-8", ""].map(
      (type): [string, Form, readonly string[]] => [
        "sts",
        {
          method: "PUT",
          query: "Action=GetCallerIdentity",
          headers: [["content-type", type]],
          body: "Action=AssumeRole",
        },
        ["sts:AssumeRole", "sts:GetCallerIdentity"],
      ],
    ),
    ...["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded; charset=utf-16"].map(
      (type): [string, Form, readonly string[]] => [
        "sts",
        { method: "POST", query: "Action=GetCallerIdentity", headers: [["content-type", type]], body: "x" },
        [],
      ],
    ),
    [
      "sts",
      { method: "POST", query: "Action=GetCallerIdentity", headers: [["content-encoding", "gzip"]], body: "x" },
      [],
    ],
    // Of SES, which takes forms beside one that takes JSON: it might read a form behind any name.
    [
      "email",
      {
        method: "POST",
        query: "Action=ListIdentities&Version=2010-12-01",
        headers: [["content-type", "application/json"]],
        body: "Action=DeleteIdentity&Identity=x",
      },
      [],
    ],
    ["email", { method: "POST", body: "Action=ListIdentities&Version=2010-12-01" }, ["ses:ListIdentities"]],
    [
      "monitoring",
      { method: "POST", path: "/\xff%ff/%73ervice/x/operation/PutMetricData" },
      ["cloudwatch:PutMetricData"],
    ],
    ["sts", { query: "Action=GetCallerIdentity&action=AssumeRole" }, ["sts:AssumeRole", "sts:GetCallerIdentity"]],
    [
      "sqs",
      { method: "POST", headers: [target("AmazonSQS.ListQueues")], body: "Action=DeleteQueue&Version=2012-11-05" },
      ["sqs:DeleteQueue", "sqs:ListQueues"],
    ],
    ...[
      "/x/service/GraniteServiceVersion20100801/operation/PutMetricData",
      "/%73ervice/x/operation/PutMetricData/",
    ].map((path): [string, Form, readonly string[]] => [
      "monitoring",
      { method: "POST", path, headers: [target("GraniteServiceVersion20100801.ListMetrics")] },
      ["cloudwatch:ListMetrics", "cloudwatch:PutMetricData"],
    ]),
    ["s3", { path: "/service/x/operation/y" }, ["s3:GetObject"]],
    ["s3", { path: "/b%2Fk" }, []],
    ["s3", { path: "/b/k", method: "PUT", query: "X-Amz-Copy-Source=other%2Fk" }, []],
    ["iam", { method: "POST", body: "Action=Create%41ccessKey&Version=2010-05-08" }, ["iam:CreateAccessKey"]],
    ["lambda", { path: "/2015-03-31/functions/f/invocations", method: "POST" }, ["lambda:Invoke"]],
    ["lambda", { path: "/2015-03-31/functions/x/../f/invocations", method: "POST" }, []],
    ["lambda", { path: "/2015-03-31/functions/%2e%2E/invocations", method: "POST" }, []],
    ["lambda", { path: "/2015-03-31//functions/f/invocations", method: "POST" }, []],
    ["bedrock-runtime", { path: "/model/m/converse-stream", method: "POST" }, ["bedrock-runtime:ConverseStream"]],
    ["bedrock-runtime", { path: "/model/arn%3Aaws%3Ax%2Fm/invoke", method: "POST" }, ["bedrock-runtime:InvokeModel"]],
    [
      "monitoring",
      { path: "/service/GraniteServiceVersion20100801/operation/ListMetrics", method: "POST" },
      ["cloudwatch:ListMetrics"],
    ],
  ])("%s %j is %j", (prefix, form, names) => {
    expect(namesOf(prefix, form).toSorted()).toEqual(names.toSorted());
  });

  test("in two protocols at once it is both", () => {
    const form = { method: "POST", headers: [target("DynamoDB_20120810.PutItem"), target("DynamoDB_20120810.Scan")] };
    expect(namesOf("dynamodb", form).toSorted()).toEqual(["dynamodb:PutItem", "dynamodb:Scan"]);
  });

  test.each(["application/json", "application/x-amz-json-1.1", "application/cbor"])(
    "is none where a service that has forms alone gets %s",
    (type) => {
      const headers: Header[] = [["content-type", type]];
      const form = {
        method: "POST",
        query: "Action=GetUser&Version=2010-05-08",
        headers,
        body: "Action=CreateAccessKey",
      };
      expect(needsBody(asked(form), servicesAt("iam"))).toBe(true);
      expect(namesOf("iam", form)).toEqual([]);
      expect(namesOf("iam", { ...form, body: "" })).toEqual(["iam:GetUser"]);
    },
  );

  describe("of a form that is made to be read for long", () => {
    const headers: Header[] = [["content-type", "application/x-www-form-urlencoded"]];
    const named = (body: string) => namesOf("sts", { method: "POST", headers, body });

    test("is each of its names once", () => {
      const body = `Version=2011-06-15${"&Action=GetCallerIdentity".repeat(10_000)}&Action=AssumeRole`;
      expect(named(body)).toEqual(["sts:GetCallerIdentity", "sts:AssumeRole"]);
    });

    test("is none where it has more fields than any request of AWS's", () => {
      expect(named(`Action=GetCallerIdentity${"&".repeat(99_999)}`)).toEqual(["sts:GetCallerIdentity"]);
      expect(named(`Action=GetCallerIdentity${"&".repeat(100_000)}`)).toEqual([]);
    });
  });
});

test("the table has every service, and no operation that hands out credentials is missing from it", () => {
  expect(serviceNames.length).toBeGreaterThan(400);
  const operations = serviceNames.reduce((sum, name) => sum + serviceOf(name)!.operations.size, 0);
  expect(operations).toBeGreaterThan(18_000);
  const missing = vendingOperations.filter((title) => {
    const [service, name] = title.split(":") as [string, string];
    return serviceOf(service)?.operations.has(name) !== true;
  });
  expect(missing).toEqual([]);
  expect([...serviceOf("sts")!.operations.keys()].filter((name) => !vendingOperations.includes(`sts:${name}`))).toEqual(
    ["GetCallerIdentity"],
  );
});

describe("what a request is about", () => {
  test.each<[string, Form, readonly string[] | undefined]>([
    ["s3", { path: "/b/k%2Fl/m" }, ["b/k/l/m"]],
    ["s3", { path: "/b", query: "list-type=2&prefix=a%2Fb" }, ["b/a/b"]],
    ["s3", { path: "/b", query: "list-type=2" }, ["b/"]],
    ["s3", { path: "/b", query: "list-type=2&prefix=a&prefix=c" }, undefined],
    ["s3", { path: "/b", query: "acl" }, ["b"]],
    [
      "s3",
      { path: "/b/k", method: "PUT", headers: [["x-amz-copy-source", "other/k%20l?versionId=1"]] },
      ["b/k", "other/k l"],
    ],
    [
      "s3",
      { path: "/b/k", method: "PUT", headers: [["x-amz-copy-source", "b/open/../k"]] },
      ["b/k", "b/open/../k", "b/k"],
    ],
    ["s3", { path: "/b/open/../../other/k" }, ["b/open/../../other/k", "other/k"]],
    // What is no UTF-8 hides no dots.
    ["s3", { path: "/b/open/%2e%2e/other/%ff" }, ["b/open/../other/\ufffd", "b/other/\ufffd"]],
    [
      "s3",
      { path: "/b/k", method: "PUT", headers: [["x-amz-copy-source", "b/open/%2e./%fe?versionId=a.B-_1"]] },
      ["b/k", "b/open/../\ufffd", "b/\ufffd"],
    ],
    ...["1/../../secret", "1%2F..%2F..%2Fsecret"].map((version): [string, Form, readonly string[]] => [
      "s3",
      { path: "/b/k", method: "PUT", headers: [["x-amz-copy-source", `b/open/k?versionId=${version}`]] },
      ["b/k", "b/open/k?versionId=1/../../secret", "b/secret"],
    ]),
    ["s3", {}, undefined],
    ["lambda", { path: "/2015-03-31/functions/f%3Aprod/invocations", method: "POST" }, ["f"]],
    [
      "lambda",
      { path: "/2015-03-31/functions/arn%3Aaws%3Alambda%3Ar%3A1%3Afunction%3Af%3A2/invocations", method: "POST" },
      ["arn:aws:lambda:r:1:function:f:2"],
    ],
    ["s3", { path: "/b", method: "POST", query: "delete" }, ["b/*"]],
    [
      "s3",
      { path: "/b/k", method: "PUT", query: "renameObject", headers: [["x-amz-rename-source", "/other/k"]] },
      ["b/k", "b/other/k"],
    ],
  ])("%s %j is %j", (prefix, form, resources) => {
    const request = asked(form);
    const [named] = nameOperations(request, servicesAt(prefix));
    expect(resourcesOf(named!, request)).toEqual(resources);
  });

  test.each([
    ["GetItem", '{"TableName":"t"}', ["t"]],
    ["GetItem", '{"TableName":"arn:aws:dynamodb:r:1:table/t"}', ["arn:aws:dynamodb:r:1:table/t"]],
    ["GetItem", '{"TableName":"t","TableName":"u"}', undefined],
    ["GetItem", '{"TableName":"t","Table\\u004eame":"u"}', undefined],
    ["GetItem", "{", undefined],
    ["BatchGetItem", '{"RequestItems":{"t":{},"u":{}}}', ["t", "u"]],
    ["TransactWriteItems", '{"TransactItems":[{"Put":{"TableName":"t"}},{"Delete":{"TableName":"u"}}]}', ["t", "u"]],
    ["TransactWriteItems", '{"TransactItems":[{"Put":{}}]}', undefined],
    ["ExecuteStatement", '{"Statement":"SELECT * FROM t"}', undefined],
    ["ListTables", "{}", undefined],
  ])("%s of DynamoDB with %s is %j", (operation, body, resources) => {
    const request = asked({ method: "POST", headers: [target(`DynamoDB_20120810.${operation}`)], body });
    const [named] = nameOperations(request, servicesAt("dynamodb"));
    expect(resourcesOf(named!, request)).toEqual(resources);
  });

  test("a key that is repeated in another object is no repeated key", () => {
    expect(hasRepeatedKey('{"a":{"a":1},"b":[{"a":"{\\"a\\":1"},{"a":2}]}')).toBe(false);
  });

  test("a key is repeated however long a text stands between", () => {
    const long = "a".repeat(4 * 2 ** 20);
    expect(hasRepeatedKey(`{"a":"${long}","a" :1}`)).toBe(true);
    expect(hasRepeatedKey(`{"a":"${long}","b" :"a"}`)).toBe(false);
  });
});

describe("the host of a request", () => {
  const AWS = { fips: false, dualStack: false, url: undefined, services: {} };
  test.each([
    ["s3", "eu-west-1", AWS, "s3.eu-west-1.amazonaws.com", "eu-west-1"],
    ["s3", "cn-north-1", AWS, "s3.cn-north-1.amazonaws.com.cn", "cn-north-1"],
    ["s3", "eu-west-1", { ...AWS, dualStack: true }, "s3.dualstack.eu-west-1.amazonaws.com", "eu-west-1"],
    ["dynamodb", "us-east-1", { ...AWS, fips: true }, "dynamodb-fips.us-east-1.amazonaws.com", "us-east-1"],
    ["iam", "eu-west-1", AWS, "iam.amazonaws.com", "us-east-1"],
    ["iam", "us-gov-west-1", AWS, "iam.us-gov.amazonaws.com", "us-gov-west-1"],
    ["cloudwatch", "eu-west-1", AWS, "monitoring.eu-west-1.amazonaws.com", "eu-west-1"],
  ])("%s in %s is %j", (service, region, settings, host, signs) => {
    expect(upstreamOf(serviceOf(service)!, region, settings)).toMatchObject({ isTls: true, host, region: signs });
  });

  test.each(["eu-west-1.evil.example", "evil", "", "eu-west-1/../x", "aws-global"])("%j is no region", (region) => {
    expect(upstreamOf(serviceOf("s3")!, region, AWS)).toStartWith("AWS has no region");
  });

  test.each([
    ["aws-global", "us-east-1"],
    ["aws-cn-global", "cn-northwest-1"],
    ["aws-us-gov-global", "us-gov-west-1"],
    ["eu-west-1", "eu-west-1"],
    ["x-global", "x-global"],
  ])("the region %s is %s", (name, region) => {
    expect(regionOf(name)).toBe(region);
  });

  test("a prefix comes from the table, and what goes into it is a label of a name", () => {
    const states = serviceOf("stepfunctions")!.operations.get("StartSyncExecution")!;
    expect(hostPrefixOf(states, {}, [])).toEqual({ prefix: "sync-" });
    const response = serviceOf("s3")!.operations.get("WriteGetObjectResponse")!;
    expect(hostPrefixOf(response, {}, [["x-amz-request-route", "another-bucket"]])).toContain("does not serve");
    const control = serviceOf("s3control")!.operations.get("ListAccessPoints")!;
    expect(hostPrefixOf(control, {}, [["x-amz-account-id", "111122223333"]])).toEqual({ prefix: "111122223333." });
    expect(hostPrefixOf(control, {}, [["x-amz-account-id", "evil.example/"]])).toContain("needs its");
  });
});
