// launchd's agent of one user. Written from launchd.plist(5); not run by this project's tests, which have no Mac.
import { HEADING, type ServiceDaemon, type ServicePlan } from "./unit.ts";

/** @param uid whose session it runs in @param directory `~/Library/LaunchAgents` */
export function planAgent(daemon: ServiceDaemon, uid: number, directory: string, isShared: boolean): ServicePlan {
  const label = isShared ? "keyhole.daemon.shared" : "keyhole.daemon";
  const domain = `gui/${uid}`;
  const path = `${directory}/${label}.plist`;
  const strings = (words: readonly string[]) =>
    words.map((word) => `    <string>${escapeXml(word)}</string>`).join("\n");
  const variables = Object.entries(daemon.environment)
    .map(([name, value]) => `    <key>${escapeXml(name)}</key>\n    <string>${escapeXml(value)}</string>\n`)
    .join("");
  const text = `<?xml version="1.0" encoding="UTF-8"?>
<!-- ${HEADING} -->
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${label}</string>
  <key>ProgramArguments</key>
  <array>
${strings([...daemon.command, "--daemon", ...daemon.words])}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
${variables}  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>Umask</key>
  <integer>63</integer>
  <key>HardResourceLimits</key>
  <dict>
    <key>Core</key>
    <integer>0</integer>
  </dict>
  <key>StandardOutPath</key>
  <string>/dev/null</string>
  <key>StandardErrorPath</key>
  <string>${escapeXml(daemon.home)}/logs/launchd.err.log</string>
</dict>
</plist>
`;
  return {
    name: label,
    files: [{ path, text }],
    install: [
      ["launchctl", "bootstrap", domain, path],
      ["launchctl", "enable", `${domain}/${label}`],
      ["launchctl", "kickstart", "-k", `${domain}/${label}`],
    ],
    uninstall: [["launchctl", "bootout", `${domain}/${label}`]],
    forget: [],
    status: ["launchctl", "print", `${domain}/${label}`],
    remarks: isShared ? [`say who may have what in ${daemon.home}/shared.yaml`] : [],
  };
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
