/* Faults and sandboxes. */

/* The statuses that the chosen operation documents. */
document.addEventListener("change", ({ target }) => {
  if (target.id !== "fault-operation") return
  const statuses = target.selectedOptions[0].dataset.statuses
  element("documented").textContent = statuses
    ? `${target.value} documents ${statuses}. Other statuses are allowed, and the fault then says so.`
    : "Choose an operation to see its documented statuses. Others are allowed, and the fault then says so."
  element("statuses").replaceChildren(...(statuses?.split(", ") ?? []).map(value => Object.assign(document.createElement("option"), { value })))
})

/* Comes before the listener that sends forms, and leaves the sending to `send`. */
document.addEventListener("submit", async event => {
  const form = event.target
  if (form.dataset.preset) {
    event.preventDefault()
    event.stopPropagation()
    const { operationId, after } = form.elements
    operationId.value = element("preset-for").value
    // Each further fault lets one more call pass: it does not count those that a fault before it answers.
    for (let left = Number(form.dataset.preset), passed = Number(after?.value); left > 0; left--, passed++) {
      if (after) after.value = passed
      await send(form)
      if (form.querySelector(".problems")) break
    }
    if (after) after.value = 1
  } else if (form.id === "new-sandbox") {
    event.preventDefault()
    event.stopPropagation()
    const name = form.querySelector("[data-part]").value
    if (document.querySelector(`[data-sandbox="${CSS.escape(name)}"]`) && !await confirmed(`There is a sandbox ${name} already. Replace it? Its state, its calls, its snapshots and its faults are lost.`)) return
    try {
      form.elements.fixture.value = form.querySelector("[data-from]").value ? await (await fetch(`${base}state`, { headers: { Accept: "application/json" } })).text() : ""
    } catch {
      return showProblems(form, [{ reason: "the simulator does not answer" }])
    }
    await send(form)
    form.elements.fixture.value = ""
  }
}, true)
