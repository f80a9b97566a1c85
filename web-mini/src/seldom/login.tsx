// User name and password → a session.
import { useState } from "preact/hooks";
import { ApiError } from "../api.ts";
import { asks } from "./api.ts";
import { Field } from "./field.tsx";
import { Trouble } from "../parts/small.tsx";
import { enter, gate, gateNote, route } from "../store.ts";
import { seldom } from "./words.ts";
import { Door } from "../pages/door.tsx";

export function Login() {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [trouble, setTrouble] = useState("");
  const [busy, setBusy] = useState(false);
  const [setupNeeded, setSetupNeeded] = useState(false);

  async function submit(e: SubmitEvent): Promise<void> {
    e.preventDefault();
    setBusy(true);
    setTrouble("");
    try {
      const who = await asks.login(user.trim(), password);
      if (route.value.page === "setup" || route.value.page === "login") location.hash = "#/live";
      enter(who);
    } catch (error) {
      if (error instanceof ApiError) setSetupNeeded(error.setupNeeded);
      setTrouble(error instanceof Error ? error.message : String(error));
      setPassword("");
    } finally {
      setBusy(false);
    }
  }

  return (
    <Door title={seldom.login.title} lead={seldom.login.lead}>
      {gateNote.value && (
        <p class="note" role="status">
          {gateNote.value}
        </p>
      )}
      <form onSubmit={(e) => void submit(e)}>
        <Field label={seldom.login.user} value={user} onValue={setUser} testid="login-user" autocomplete="username" autofocus />
        <Field
          label={seldom.login.password}
          value={password}
          onValue={setPassword}
          testid="login-password"
          type="password"
          autocomplete="current-password"
        />
        {trouble && <Trouble>{trouble}</Trouble>}
        <button class="button primary wide" type="submit" data-testid="login-submit" disabled={busy} aria-busy={busy}>
          {seldom.login.submit}
        </button>
      </form>
      {setupNeeded && (
        <button class="text-button" type="button" onClick={() => (gate.value = "setup")}>
          {seldom.login.toSetup}
        </button>
      )}
    </Door>
  );
}
