// The one-time code and a first account → a session.
import { useState } from "preact/hooks";
import { api, ApiError } from "../api.ts";
import { Field } from "../parts/field.tsx";
import { Trouble } from "../parts/small.tsx";
import { enter, gate, gateNote, route } from "../store.ts";
import { t } from "../words.ts";
import { Door } from "./door.tsx";

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
    if (!code.trim() || !user.trim()) return setTrouble(t.setup.missing);
    if ([...password].length < SHORTEST) return setTrouble(t.setup.short);
    if (password !== again) return setTrouble(t.setup.different);
    setBusy(true);
    setTrouble("");
    try {
      const who = await api.setup(code.trim(), user.trim(), password);
      location.hash = "#/live";
      enter(who);
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) {
        gateNote.value = t.setup.done;
        gate.value = "login";
        return;
      }
      setTrouble(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <Door title={t.setup.title} lead={t.setup.lead}>
      <form noValidate onSubmit={(e) => void submit(e)}>
        <Field label={t.setup.code} value={code} onValue={setCode} testid="setup-code" autocomplete="one-time-code" autofocus={!code} />
        <Field label={t.setup.user} value={user} onValue={setUser} testid="setup-user" autocomplete="username" autofocus={!!code} />
        <Field
          label={t.setup.password}
          value={password}
          onValue={setPassword}
          testid="setup-password"
          type="password"
          autocomplete="new-password"
          hint={t.setup.passwordHint}
          minLength={SHORTEST}
        />
        <Field label={t.setup.again} value={again} onValue={setAgain} testid="setup-password2" type="password" autocomplete="new-password" />
        {trouble && <Trouble>{trouble}</Trouble>}
        <button class="button primary wide" type="submit" data-testid="setup-submit" disabled={busy} aria-busy={busy}>
          {t.setup.submit}
        </button>
      </form>
      <button class="text-button" type="button" onClick={() => (gate.value = "login")}>
        {t.setup.toLogin}
      </button>
    </Door>
  );
}
