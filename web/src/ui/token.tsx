/*
 * Asks for the token when the server has answered 401. It is kept for this tab; what was asked
 * then is asked again by who asked it.
 */
import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { setToken, token, tokenWanted } from "../api";
import { Button } from "./button";
import { Dialog } from "./dialog";

const putOff = signal(false);

function Prompt() {
  const refused = token() !== null;
  const [value, setValue] = useState("");
  return (
    <Dialog title="This server wants a token" onClose={() => (putOff.value = true)}>
      <form onSubmit={(event) => {
        event.preventDefault();
        if (value.trim() !== "") setToken(value.trim());
      }}>
        <div class="field dialog-text">
          <label for="token">Token</label>
          <input id="token" class="input" type="password" autocomplete="off" autoFocus value={value}
            aria-describedby="token-about" aria-invalid={refused}
            onInput={(event) => setValue(event.currentTarget.value)} />
          <span id="token-about" class={refused ? "bad-text small" : "muted small"}>
            {refused ? "The server did not accept the last one."
              : "It is sent with every request and forgotten when this tab is closed."}
          </span>
        </div>
        <div class="actions end">
          <Button onClick={() => (putOff.value = true)}>Not now</Button>
          <Button kind="primary" type="submit" disabled={value.trim() === ""}>Use it</Button>
        </div>
      </form>
    </Dialog>
  );
}

export function TokenPrompt() {
  if (!tokenWanted.value) {
    putOff.value = false;
    return null;
  }
  if (!putOff.value) return <Prompt />;
  return (
    <div class="away" role="alert">
      <span><strong>A token is wanted.</strong> The server answers only with one.</span>
      <Button small onClick={() => (putOff.value = false)}>Enter it</Button>
    </div>
  );
}
