// src/ → dist/: one script, one style sheet, no inline code, so a strict Content-Security-Policy holds.
import { defineConfig } from "vite";

export default defineConfig({
  base: "/",
  build: {
    target: ["es2021", "safari15", "chrome100", "firefox100"],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    reportCompressedSize: false,
  },
  server: {
    proxy: { "/api": { target: "http://127.0.0.1:8080", ws: true } },
  },
});
