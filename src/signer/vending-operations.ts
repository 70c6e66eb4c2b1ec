// Operations that hand out what can be used without this grant: denied unless `--allow` has their full name. Found among the
// outputs of botocore's models (members that are keys, tokens or passwords), and read one by one.

const KEYS = "hands out AWS credentials";
const TOKEN = "hands out a token that is good without this grant";
const PASSWORD = "hands out a password";

const list: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  [KEYS]: {
    codepipeline: ["GetJobDetails", "GetThirdPartyJobDetails", "PollForJobs", "PollForThirdPartyJobs"],
    "cognito-identity": ["GetCredentialsForIdentity", "GetOpenIdToken", "GetOpenIdTokenForDeveloperIdentity"],
    connect: ["GetFederationToken"],
    datazone: ["GetConnection", "GetEnvironmentCredentials", "ListConnections"],
    deadline: [
      "AssumeFleetRoleForRead",
      "AssumeFleetRoleForWorker",
      "AssumeQueueRoleForRead",
      "AssumeQueueRoleForUser",
      "AssumeQueueRoleForWorker",
    ],
    "eks-auth": ["AssumeRoleForPodIdentity"],
    "emr-containers": ["GetManagedEndpointSessionCredentials"],
    "finspace-data": ["GetExternalDataViewAccessDetails", "GetProgrammaticAccessCredentials"],
    gamelift: [
      "CreateBuild",
      "GetComputeAccess",
      "GetComputeAuthToken",
      "GetInstanceAccess",
      "RequestUploadCredentials",
    ],
    iam: ["CreateAccessKey", "CreateServiceSpecificCredential", "ResetServiceSpecificCredential"],
    lakeformation: [
      "AssumeDecoratedRoleWithSAML",
      "GetTemporaryDataLocationCredentials",
      "GetTemporaryGluePartitionCredentials",
      "GetTemporaryGlueTableCredentials",
    ],
    lightsail: ["CreateBucketAccessKey", "GetBucketAccessKeys"],
    s3: ["CreateSession"],
    s3control: ["GetDataAccess"],
    signin: ["CreateOAuth2Token"],
    ssm: ["GetAccessToken"],
    sso: ["GetRoleCredentials"],
    sts: [
      "AssumeRole",
      "AssumeRoleWithSAML",
      "AssumeRoleWithWebIdentity",
      "AssumeRoot",
      "DecodeAuthorizationMessage",
      "GetAccessKeyInfo",
      "GetDelegatedAccessToken",
      "GetFederationToken",
      "GetSessionToken",
      "GetWebIdentityToken",
    ],
  },
  [TOKEN]: {
    athena: ["CreatePresignedNotebookUrl", "GetSessionEndpoint"],
    "bedrock-agentcore": [
      "GetBrowserSession",
      "GetResourceApiKey",
      "GetResourceOauth2Token",
      "GetResourcePaymentToken",
      "GetWorkloadAccessToken",
      "GetWorkloadAccessTokenForJWT",
      "GetWorkloadAccessTokenForUserId",
    ],
    codeartifact: ["GetAuthorizationToken"],
    codecatalyst: ["CreateAccessToken"],
    ecr: ["GetAuthorizationToken"],
    "ecr-public": ["GetAuthorizationToken"],
    "emr-serverless": ["GetSessionEndpoint"],
    "license-manager": ["GetAccessToken"],
    "sso-oidc": ["CreateToken", "CreateTokenWithIAM", "RegisterClient"],
  },
  [PASSWORD]: {
    emr: ["GetClusterSessionCredentials"],
    redshift: ["GetClusterCredentials", "GetClusterCredentialsWithIAM"],
    "redshift-serverless": ["GetCredentials"],
  },
};

const reasons = new Map<string, string>(
  Object.entries(list).flatMap(([reason, services]) =>
    Object.entries(services).flatMap(([service, names]) =>
      names.map((name) => [`${service}:${name}`, reason] as const),
    ),
  ),
);

export const vendingOperations: readonly string[] = [...reasons.keys()];

/** A part of a sentence whose subject is the operation; undefined where it hands out nothing of the kind. */
export function vendingReason(title: string): string | undefined {
  return reasons.get(title);
}
