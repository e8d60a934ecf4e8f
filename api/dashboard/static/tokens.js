// Tokens for the API, which the dashboard gives to whoever is signed in to it.
const ASK_MS = 10_000;
const SPARE_MS = 30_000;

// Why there is none: for good, or for now.
export class NoToken extends Error {
  constructor(message, isFinal) {
    super(message);
    this.isFinal = isFinal;
  }
}

export class Tokens {
  #path;
  #fields;
  #kept = null;
  #endsAt = 0;

  constructor(path, fields) {
    this.#path = path;
    this.#fields = fields;
  }

  // One that was not used before.
  async fresh() {
    const { token, expires_at: end } = await ask(this.#path, this.#fields);
    this.#kept = token;
    this.#endsAt = Date.parse(end);
    return token;
  }

  // One that holds for a while yet.
  async now() {
    return this.#kept !== null && this.#endsAt - Date.now() > SPARE_MS ? this.#kept : this.fresh();
  }
}

async function ask(path, fields) {
  let answer;
  try {
    const body = new URLSearchParams(fields);
    // A session that has ended is a redirect to where one signs in, which is no answer here.
    answer = await fetch(path, { method: "POST", body, redirect: "manual", signal: AbortSignal.timeout(ASK_MS) });
  } catch {
    throw new NoToken("The dashboard does not answer.", false);
  }
  if (answer.ok) return answer.json();
  if (answer.type === "opaqueredirect") throw new NoToken("You are signed out. Sign in, and load this page anew.", true);
  if (answer.status === 404) throw new NoToken("The app is gone, or has no signing key of our own: then make one under Signing keys.", true);
  if (answer.status < 500 && answer.status !== 429) throw new NoToken("You may not do this any more. Load this page anew.", true);
  throw new NoToken("The dashboard cannot do it right now.", false);
}
