// Forms that ask before they are sent; the service does not rely on it.
export function confirmations(root) {
  const dialog = root.getElementById("confirm");
  if (dialog === null) return;
  for (const form of root.querySelectorAll("form[data-confirm]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      root.getElementById("confirm-question").textContent = form.dataset.confirm;
      dialog.returnValue = "no";
      dialog.addEventListener("close", () => dialog.returnValue === "yes" && form.submit(), { once: true });
      dialog.showModal();
    });
  }
}
