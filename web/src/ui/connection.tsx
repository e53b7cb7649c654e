/* How the page stands to the server: a mark in the bar, and a notice when it is away. */
import { connection, tryNow, type Connection } from "../live";
import { Button } from "./button";

const words: Record<Connection, [string, string]> = {
  connecting: ["Connecting", "Waiting for the server's first reply"],
  live: ["Live", "Every change is shown as it happens"],
  polling: ["Polling", "No event stream could be had: read again every 2 seconds"],
  offline: ["Disconnected", "The server does not answer"],
};

export function ConnectionMark() {
  const [word, meaning] = words[connection.value];
  return (
    <span class={`connection ${connection.value}`} title={meaning}>
      <span class="dot" aria-hidden="true" />
      {word}
    </span>
  );
}

export function Away() {
  return (
    <div role="alert">
      {connection.value === "offline" && (
        <div class="away">
          <span>
            <strong>Disconnected.</strong> The server does not answer; what is shown is the last
            that was heard. Trying again…
          </span>
          <Button small onClick={tryNow}>Try now</Button>
        </div>
      )}
    </div>
  );
}
