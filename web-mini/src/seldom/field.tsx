// A labelled input for the account forms; passwords can be looked at.
import { useId, useState } from "preact/hooks";
import { seldom } from "./words.ts";

interface FieldProps {
  label: string;
  value: string;
  onValue: (value: string) => void;
  testid: string;
  type?: "text" | "password" | "url";
  autocomplete: AutoFill;
  hint?: string;
  autofocus?: boolean;
  minLength?: number;
}

export function Field({ label, value, onValue, testid, type = "text", autocomplete, hint, ...rest }: FieldProps) {
  const id = useId();
  const [open, setOpen] = useState(false);
  const shownAs: string = open ? "text" : type;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="field-box">
        <input
          id={id}
          data-testid={testid}
          type={shownAs as "text"}
          value={value}
          autocomplete={autocomplete}
          autocapitalize="none"
          spellcheck={false}
          required
          aria-describedby={hint ? `${id}-hint` : undefined}
          onInput={(e) => onValue(e.currentTarget.value)}
          {...rest}
        />
        {type === "password" && (
          <button type="button" class="text-button" aria-pressed={open} onClick={() => setOpen(!open)}>
            {open ? seldom.hidePassword : seldom.showPassword}
          </button>
        )}
      </div>
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}
