const api = new URLSearchParams(location.search).get("api") ?? "http://127.0.0.1:4080";

/** @template {Element} T @param {ParentNode} within @param {string} selector @param {new () => T} type @returns {T} */
function find(within, selector, type) {
  const found = within.querySelector(selector);
  if (!(found instanceof type)) throw new Error(`the page has no ${selector}`);
  return found;
}

const problem = find(document, "[role=alert]", HTMLElement);
const news = find(document, "[role=status]", HTMLElement);
const list = find(document, "ul", HTMLElement);
const template = find(document, "template", HTMLTemplateElement);

/** @param {string} method @param {string} path @param {unknown} [body] */
async function call(method, path, body) {
  const response = await fetch(`${api}/api/v1/${path}`, {
    method,
    // The page and the API are of different origins; the session is a cookie.
    credentials: "include",
    ...(body !== undefined && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
  });
  const answer = await response.json();
  if (response.ok) return answer;
  if (response.status >= 500) throw new Error(`Telephony is not available (${response.status}). Try again later.`);
  throw new Error(answer.errors[0].details.reason);
}

/** What a form does when it is sent; what goes wrong is shown. @param {HTMLFormElement} form @param {() => Promise<void>} act */
function onSubmit(form, act) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    problem.textContent = news.textContent = "";
    try {
      await act();
    } catch (error) {
      problem.textContent = error instanceof Error ? error.message : String(error);
    }
  });
}

/** @param {string} path */
async function show(path) {
  const { call_capacities } = await call("GET", path);
  list.replaceChildren(
    ...call_capacities.map((/** @type {{name: string, maxOutgoingCalls?: number}} */ capacity) => {
      const item = document.importNode(template.content, true);
      find(item, "strong", HTMLElement).textContent = capacity.name;
      const limit = find(item, "input", HTMLInputElement);
      limit.value = String(capacity.maxOutgoingCalls ?? "");
      onSubmit(find(item, "form", HTMLFormElement), async () => {
        const maxOutgoingCalls = limit.value === "" ? null : Number(limit.value);
        await call("PUT", `${path}${encodeURIComponent(capacity.name)}/`, { maxOutgoingCalls });
        await show(path);
        news.textContent = "Saved";
      });
      return item;
    }),
  );
}

const login = find(document, "#login", HTMLFormElement);
onSubmit(login, async () => {
  const { ids } = await call("POST", "login/", Object.fromEntries(new FormData(login)));
  await show(`tenants/${ids.tenant_id}/groups/${ids.group_id}/services/call_capacities/`);
});
