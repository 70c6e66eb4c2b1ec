// What STS says when it refuses, in AWS's codes, words and HTTP statuses.
// https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html

/** A refusal. `status` is the HTTP status; from 500 on the fault is the server's, and the XML says so. */
export class StsError extends Error {
  override readonly name = "StsError";
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status = 400) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

export function accessDenied(message: string): StsError {
  return new StsError("AccessDenied", message, 403);
}

/** The words in which IAM refuses an action, which clients show and sometimes parse. */
export function notAuthorized(callerArn: string, action: string, resource: string): StsError {
  return accessDenied(`User: ${callerArn} is not authorized to perform: ${action} on resource: ${resource}`);
}

export function signatureDoesNotMatch(message: string): StsError {
  return new StsError("SignatureDoesNotMatch", message, 403);
}

export function incompleteSignature(message: string): StsError {
  return new StsError("IncompleteSignature", message, 400);
}
