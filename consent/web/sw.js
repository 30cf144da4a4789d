// Offline: one published version whole, never two mixed, never an answer of the vault.
const CACHE = "cv-{{version}}", FILES = {{files}};
self.addEventListener("install", (event) => event.waitUntil(
  caches.open(CACHE).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting())));
self.addEventListener("activate", (event) => event.waitUntil(caches.keys()
  .then((names) => Promise.all(names.map((name) => name !== CACHE && caches.delete(name))))
  .then(() => self.clients.claim())));
self.addEventListener("fetch", (event) => {
  const { request } = event, { origin, pathname } = new URL(request.url);
  if (origin !== location.origin || request.method !== "GET") return;
  if (request.mode === "navigate" && ["/", "/authorize"].includes(pathname))
    event.respondWith(fetch(request, { signal: AbortSignal.timeout(3000) })
      .catch(() => caches.match("/")));
  else if (FILES.includes(pathname))
    event.respondWith(caches.open(CACHE).then((cache) => cache.match(request))
      .then((kept) => kept ?? fetch(request)));
});
