// A question that must be answered: a modal dialog with two buttons. Escape and Cancel say no. `calm` when yes harms nothing.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

interface ConfirmProps {
  title: string;
  yes: string;
  no: string;
  testid: string;
  calm?: boolean;
  busy?: boolean;
  onYes: () => void;
  onNo: () => void;
  children: ComponentChildren;
}

export function Confirm({ title, yes, no, testid, calm, busy, onYes, onNo, children }: ConfirmProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={ref}
      aria-labelledby={id}
      onCancel={(e) => {
        e.preventDefault();
        onNo();
      }}
    >
      <h2 id={id}>{title}</h2>
      {children}
      <div class="dialog-buttons">
        <button type="button" class="button" data-testid={`${testid}-cancel`} autofocus onClick={onNo}>
          {no}
        </button>
        <button
          type="button"
          class={`button ${calm ? "primary" : "danger"}`}
          data-testid={`${testid}-confirm`}
          disabled={busy}
          onClick={onYes}
        >
          {yes}
        </button>
      </div>
    </dialog>
  );
}
