// The recorder's messages → notifications, also while the page is closed. It keeps nothing and answers for no address.
"use strict";

addEventListener("push", (event) => {
  let message = {};
  try {
    message = event.data?.json() ?? {};
  } catch {
    // shown all the same: a browser takes messages that are not shown for a fault of the page
  }
  const { id, title = "Nightjar", text = "", at, event: seen } = message;
  const shown = { body: text, icon: "/icon.svg", timestamp: Date.parse(at) || Date.now(), data: { seen } };
  if (id) shown.tag = id; // one that comes twice is shown once
  event.waitUntil(registration.showNotification(title, shown));
});

addEventListener("notificationclick", (event) => {
  event.notification.close();
  const { seen } = event.notification.data ?? {};
  const address = seen ? `/#/events/${encodeURIComponent(seen)}` : "/";
  event.waitUntil(
    clients.matchAll({ type: "window" }).then(async (pages) => {
      const page = pages[0];
      if (!page) return clients.openWindow(address);
      await page.focus();
      return page.navigate(address).catch(() => clients.openWindow(address));
    }),
  );
});
