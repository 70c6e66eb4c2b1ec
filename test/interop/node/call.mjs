// One call of the JavaScript SDK, said as JSON: service, operation, parameters and, for what no SDK would send, X-Amz-Target.
const { service, operation, parameters, target } = JSON.parse(process.argv[2]);
const sdk = await import(`@aws-sdk/client-${service}`);
const [, Client] = Object.entries(sdk).find(([name]) => name.toLowerCase() === `${service}client`);
const client = new Client({});
const change = (next) => (args) => {
  if (target !== undefined) args.request.headers["x-amz-target"] = target;
  return next(args);
};
client.middlewareStack.add(change, { step: "build", priority: "low" });
await client.send(new sdk[`${operation}Command`](parameters)).then(
  () => console.log("ok"),
  (error) => console.log(`${error.name}: ${error.message}`),
);
// A body that was not read would keep its connection, and this process.
process.exit();
