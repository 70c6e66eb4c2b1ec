// The JavaScript SDK's second version, as programs of its time use it: whoami ENDPOINT, with what its default chain finds.
const AWS = require("aws-sdk");

new AWS.STS({ endpoint: process.argv[2] }).getCallerIdentity((error, identity) => {
  if (error) throw error;
  console.log(identity.Arn);
});
