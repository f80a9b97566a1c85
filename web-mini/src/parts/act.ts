// What a person asks of the recorder → whether it is under way, and in words why it was refused.
import { useState } from "preact/hooks";
import { sentOut } from "../store.ts";

interface Act {
  busy: boolean;
  trouble: string;
  setTrouble: (words: string) => void;
  /** One thing after the other. An ended session leads to the login page and is no trouble. */
  act: (ask: () => Promise<void>) => Promise<void>;
}

export function useAct(): Act {
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState("");
  async function act(ask: () => Promise<void>): Promise<void> {
    setBusy(true);
    setTrouble("");
    try {
      await ask();
    } catch (error) {
      if (!sentOut(error)) setTrouble(error instanceof Error ? error.message : String(error));
    } finally {
      setBusy(false);
    }
  }
  return { busy, trouble, setTrouble, act };
}
