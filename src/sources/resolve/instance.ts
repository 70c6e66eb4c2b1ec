// What the machine itself says of where it runs.
import { readFileSync } from "node:fs";

/** https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/identify_ec2_instances.html */
export function isInstance(): boolean {
  try {
    return readFileSync("/sys/class/dmi/id/sys_vendor", "latin1").trim() === "Amazon EC2";
  } catch {
    return false;
  }
}
