// A question that must be answered: a modal dialog with two buttons. Escape and Cancel say no.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

interface ConfirmProps {
  title: string;
  yes: string;
  no: string;
  onYes: () => void;
  onNo: () => void;
  children: ComponentChildren;
}

export function Confirm({ title, yes, no, onYes, onNo, children }: ConfirmProps) {
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
        <button type="button" class="button" data-testid="output-cancel" autofocus onClick={onNo}>
          {no}
        </button>
        <button type="button" class="button danger" data-testid="output-confirm" onClick={onYes}>
          {yes}
        </button>
      </div>
    </dialog>
  );
}
