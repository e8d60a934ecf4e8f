// The address of a page follows what was asked for in it, for whoever comes back to it or passes it on.
export function followAddresses(root) {
  // Before the swap, for it may take away the very link that was followed.
  root.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => {
    if (ctx.request.method === "GET" && ctx.sourceElement.closest("[data-address]")) history.replaceState(null, "", ctx.request.action);
  });
}
