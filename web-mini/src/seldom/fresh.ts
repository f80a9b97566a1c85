// Asks at once and again every so often, while the page is looked at.
import { useEffect } from "preact/hooks";
import { sentOut } from "../store.ts";

/** Gives what asks now. */
export function useFresh(ms: number, get: () => Promise<unknown>): () => void {
  const look = (): void => void (document.hidden || get().catch(sentOut));
  useEffect(() => {
    look();
    const timer = setInterval(look, ms);
    return () => clearInterval(timer);
  }, []);
  return look;
}
