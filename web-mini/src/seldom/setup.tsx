// The one-time code and a first account → a session.
import { useState } from "preact/hooks";
import { ApiError } from "../api.ts";
import { asks } from "./api.ts";
import { Field } from "./field.tsx";
import { Trouble } from "../parts/small.tsx";
import { enter, gate, gateNote, route } from "../store.ts";
import { seldom } from "./words.ts";
import { Door } from "../pages/door.tsx";

const SHORTEST = 8;

export function Setup() {
  const [code, setCode] = useState(route.value.query.get("code") ?? "");
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const [trouble, setTrouble] = useState("");
  const [busy, setBusy] = useState(false);

  async function submit(e: SubmitEvent): Promise<void> {
    e.preventDefault();
    if (!code.trim() || !user.trim()) return setTrouble(seldom.setup.missing);
    if ([...password].length < SHORTEST) return setTrouble(seldom.setup.short);
    if (password !== again) return setTrouble(seldom.setup.different);
    setBusy(true);
    setTrouble("");
    try {
      const who = await asks.setup(code.trim(), user.trim(), password);
      location.hash = "#/live";
      enter(who);
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) {
        gateNote.value = seldom.setup.done;
        gate.value = "login";
        return;
      }
      setTrouble(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <Door title={seldom.setup.title} lead={seldom.setup.lead}>
      <form noValidate onSubmit={(e) => void submit(e)}>
        <Field label={seldom.setup.code} value={code} onValue={setCode} testid="setup-code" autocomplete="one-time-code" autofocus={!code} />
        <Field label={seldom.setup.user} value={user} onValue={setUser} testid="setup-user" autocomplete="username" autofocus={!!code} />
        <Field
          label={seldom.setup.password}
          value={password}
          onValue={setPassword}
          testid="setup-password"
          type="password"
          autocomplete="new-password"
          hint={seldom.setup.passwordHint}
          minLength={SHORTEST}
        />
        <Field label={seldom.setup.again} value={again} onValue={setAgain} testid="setup-password2" type="password" autocomplete="new-password" />
        {trouble && <Trouble>{trouble}</Trouble>}
        <button class="button primary wide" type="submit" data-testid="setup-submit" disabled={busy} aria-busy={busy}>
          {seldom.setup.submit}
        </button>
      </form>
      <button class="text-button" type="button" onClick={() => (gate.value = "login")}>
        {seldom.setup.toLogin}
      </button>
    </Door>
  );
}
