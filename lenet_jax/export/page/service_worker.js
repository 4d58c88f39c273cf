// Newest first; what was kept is shown where there is no network.
"use strict";

const FILES = ["./", "index.html", "manifest.webmanifest", "icon.svg"];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open("lenet5").then((cache) => cache.addAll(FILES)));
});
self.addEventListener("fetch", (event) => {
  if (event.request.method !== "GET") return;
  event.respondWith(
    fetch(event.request)
      .then(async (response) => {
        if (response.ok) (await caches.open("lenet5")).put(event.request, response.clone());
        return response;
      })
      .catch(() => caches.match(event.request, { ignoreSearch: true })),
  );
});
