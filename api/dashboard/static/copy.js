// Copy buttons: hidden in the page, for without a script they would do nothing.
const TOLD_MS = 1600;

export function copyButtons(root) {
  for (const button of root.querySelectorAll("[data-copy][hidden]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    tell(button, "Copied");
  } catch {
    // Not allowed, or http: then it is selected, for the keyboard to copy.
    getSelection().selectAllChildren(source);
    tell(button, "Selected");
  }
}

function tell(button, word) {
  button.textContent = word;
  setTimeout(() => {
    button.textContent = "Copy";
  }, TOLD_MS);
}
