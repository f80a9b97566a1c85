// Starts the page: address → route, session → gate, and the update stream while someone is in.
import { effect } from "@preact/signals";
import { render } from "preact";
import { App } from "./app.tsx";
import { language } from "./language.ts";
import { parseRoute } from "./route.ts";
import { gate, knock, refetch, route } from "./store.ts";
import { closeUpdates, connectUpdates } from "./updates.ts";
import "./style/base.css";
import "./style/shell.css";
import "./style/parts.css";
import "./style/live.css";
import "./style/timeline.css";
import "./style/events.css";
import "./style/panels.css";

document.documentElement.lang = language;
addEventListener("hashchange", () => (route.value = parseRoute(location.hash)));

let inside = false;
effect(() => {
  const now = gate.value === "in";
  if (gate.value === "unreachable" || now === inside) return;
  inside = now;
  if (now) {
    void refetch();
    connectUpdates();
  } else {
    closeUpdates();
  }
});

const root = document.getElementById("app");
if (root) render(<App />, root);
void knock();
