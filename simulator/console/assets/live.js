/* Keeps the page up to date. When the server says that something has changed, the page is fetched again and put in the
   place of what is shown: without losing scroll, focus, selection, open details or what somebody has typed. */

const SOONEST = 250
const OTHERS = 2000
const POLL = 2000
const POLLS_UNTIL_STREAM = 15
const MOST_BREAKS = 3
const LONGEST_PAUSE = 3000

const page = document.querySelector("main")
const base = document.body.dataset.root
const live = element("live")
const pauseButton = element("pause")
let run = document.body.dataset.run
let tag = null
let isPaused = false
let missed = 0
let meanwhile = []
let source = null
let breaks = 0
let polling = null
let polls = 0
let isOver = false
let fetching = null
let next = null
let nextIsForced = false
let timer = null
let dueAt = 0
let pause = 0
let came = 0
let lastStart = 0
let lostAt = null

/* Makes `old` equal to `fresh`. Children with an id keep their element, wherever they are. */
const patch = (old, fresh) => {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) return old.replaceWith(fresh.cloneNode(true))
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue
    return
  }
  if (old.dataset.keep !== undefined || old.dataset.changed !== undefined || (old.open && old.nodeName === "DIALOG")) return
  for (const { name, value } of [...fresh.attributes]) if (old.getAttribute(name) !== value) old.setAttribute(name, value)
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !(name === "open" && /^(DETAILS|DIALOG)$/.test(old.nodeName))) old.removeAttribute(name)
  if (/^(INPUT|TEXTAREA)$/.test(old.nodeName)) return
  const chosen = old.nodeName === "SELECT" ? old.value : null
  patchChildren(old, fresh)
  if (chosen !== null) {
    old.value = chosen
    if (old.selectedIndex < 0) old.selectedIndex = 0
  }
}

const patchChildren = (old, fresh) => {
  const kept = new Map([...old.children].filter(each => each.id).map(each => [each.id, each]))
  const wanted = new Set([...fresh.children].map(each => each.id))
  let at = old.firstChild
  for (const child of [...fresh.childNodes]) {
    const same = child.id ? kept.get(child.id) : undefined
    // What stands here and will not come back makes room.
    while (at && at.id && at !== same && !wanted.has(at.id)) {
      const gone = at
      at = at.nextSibling
      gone.remove()
    }
    if (same) {
      if (same === at) at = at.nextSibling
      else old.insertBefore(same, at)
      patch(same, child)
    } else if (!child.id && at && !at.id && at.nodeName === child.nodeName) {
      const next = at.nextSibling
      patch(at, child)
      at = next
    } else {
      const added = document.importNode(child, true)
      if (added.dataset?.row !== undefined) added.classList.add("arrived")
      old.insertBefore(added, at)
    }
  }
  while (at) {
    const gone = at
    at = at.nextSibling
    gone.remove()
  }
}

/* A list that somebody reads further down must not move. */
const isRead = () => page.querySelector("[data-list]") !== null && scrollY > 80
const isHeld = isForced => !isForced && (isPaused || isRead())

/* What stands above the page. Each kind of notice hides only itself, and none hides that the server is gone. */
const notice = element("notice")
const notify = (kind, text, label, action) => {
  if (notice.dataset.kind === "lost" && kind !== "lost") return
  notice.dataset.kind = kind
  notice.replaceChildren(text)
  if (label) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: label })
    button.addEventListener("click", action)
    notice.append(" ", button)
  }
  notice.hidden = false
}
const unnotify = kind => {
  if (notice.dataset.kind !== kind) return
  notice.hidden = true
  delete notice.dataset.kind
}

const state = (name, text) => {
  if (live.dataset.state === name && live.textContent === text) return
  live.dataset.state = name
  live.textContent = text
}

const isConnected = () => source?.readyState === EventSource.OPEN

const showState = () => {
  if (isOver) state("lost", "not live")
  else if (lostAt) state("lost", "reconnecting")
  else if (isPaused) state("paused", missed ? `paused, ${missed} new` : "paused")
  else if (isConnected()) state("live", "live")
  else if (polling) state("live", "polling")
  if (!isPaused && isRead() && missed) notify("new", `${missed} new`, "Show", () => { scrollTo({ top: 0 }); refresh(true) })
  else unnotify("new")
}

const lost = text => {
  lostAt ??= new Date()
  notify("lost", `${text} What you see is from ${lostAt.toLocaleTimeString()}.`)
  showState()
}

const reached = () => {
  lostAt = null
  unnotify("lost")
}

/* Every answer tells which run of the server it is from. */
const isFrom = newRun => {
  if (newRun && run && newRun !== run) {
    say("The simulator was restarted.")
    notify("restarted", "The simulator was restarted. Its state is the seed again.")
    setTimeout(unnotify, 6000, "restarted")
  }
  run = newRun || run
}

const show = text => {
  const fresh = new DOMParser().parseFromString(text, "text/html")
  document.title = fresh.title
  const isLive = fresh.getElementById("live") !== null
  if (isLive) patch(element("header"), fresh.getElementById("header"))
  patch(page, fresh.querySelector("main"))
  isFrom(fresh.body.dataset.run)
  // A page that costs too much does not stay up to date by itself.
  if (!isLive) disconnect(), isOver = true
  document.dispatchEvent(new Event("refreshed"))
}

const hasRow = id => element(`call-${id}`) !== null

const load = async isForced => {
  const known = missed
  meanwhile = []
  const calls = came
  came = 0
  lastStart = performance.now()
  let answer, text
  try {
    answer = await fetch(location.href, { headers: { Accept: "text/html", ...(tag ? { "If-None-Match": tag } : {}) }, cache: "no-store" })
    text = await answer.text()
  } catch {
    lost("The simulator does not answer.")
    return
  }
  reached()
  // Somebody may have begun to read meanwhile.
  if (isHeld(isForced)) return showState()
  // How long the server took to make the page, and the browser to show it.
  const began = performance.now()
  const made = Number(/dur=([\d.]+)/.exec(answer.headers.get("Server-Timing"))?.[1] ?? 0)
  if (answer.status >= 400) {
    // What somebody reads, or has typed, stays.
    notify("gone", answer.status === 404 ? "What this page shows is no longer there." : `The simulator answered ${answer.status}.`, "Look again", () => location.reload())
  } else if (answer.status !== 304) {
    unnotify("gone")
    tag = answer.headers.get("ETag")
    show(text)
  }
  // The events of some calls came while the page was on its way, and it shows these calls.
  missed = Math.max(missed - known - meanwhile.filter(hasRow).length, 0)
  // At most half of the browser's time, and a quarter of the server's. The more calls came, the longer a server is left
  // alone: a busy one makes pages for a fiftieth of its time, unless it needs long for a page.
  pause = Math.min(Math.min(Math.max(calls, 4), 50) * made + 2 * (performance.now() - began), LONGEST_PAUSE)
  showState()
}

/* Fetches the page again, one fetch at a time: an older answer must not come last. */
const refresh = (isForced = false) => {
  clearTimeout(timer)
  timer = null
  if (isOver || isHeld(isForced)) {
    showState()
    return Promise.resolve()
  }
  nextIsForced ||= isForced
  if (fetching) return next ??= fetching.then(() => { next = null; return refresh(nextIsForced) })
  nextIsForced = false
  fetching = load(isForced).finally(() => { fetching = null })
  return fetching
}

/* Soon, but at most four times a second, and with pauses after pages that took long. */
const refreshSoon = atMostEvery => {
  const due = Math.max(lastStart + Math.max(atMostEvery, pause), performance.now())
  if (timer !== null && dueAt <= due) return
  clearTimeout(timer)
  dueAt = due
  timer = setTimeout(refresh, due - performance.now())
}

const watches = type => page.dataset.watches.split(" ").includes(type) || type === "gap" || type === "reset"

let lastSaid = 0
const onEvent = ({ type, data }) => {
  if (type === "hello") {
    breaks = 0
    reached()
    isFrom(JSON.parse(data).run)
    showState()
    if (page.dataset.watches) refreshSoon(0)
    return
  }
  if (type === "dropped") {
    isOver = true
    clearTimeout(timer)
    disconnect()
    notify("dropped", "This sandbox was dropped. What you see is from before.")
    showState()
    return
  }
  came += 1
  // The page may have been fetched after the call, and before its event.
  if (type === "request" && !hasRow(JSON.parse(data).id)) {
    missed += 1
    if (fetching) meanwhile.push(JSON.parse(data).id)
    if (Date.now() - lastSaid > 5000 && page.querySelector("[data-list]")) {
      lastSaid = Date.now()
      say(`${missed} new call${missed === 1 ? "" : "s"}`)
    }
  }
  if (isHeld()) showState()
  else if (watches(type)) refreshSoon(SOONEST)
  // Other pages show numbers in their navigation. Pages that never change are not fetched for that.
  else if (page.dataset.watches) refreshSoon(OTHERS)
}

const connect = () => {
  if (source || !run || isOver || document.hidden || polling) return
  source = new EventSource(`${base}events`)
  for (const kind of ["hello", "request", "state", "faults", "snapshots", "sandboxes", "reset", "gap", "dropped"]) source.addEventListener(kind, onEvent)
  source.addEventListener("error", onBreak)
}

/* Finds out whether the server is gone, or only its stream. */
const onBreak = async () => {
  breaks += 1
  if (breaks >= MOST_BREAKS || source?.readyState === EventSource.CLOSED) {
    disconnect()
    polls = 0
    polling ??= setInterval(poll, POLL)
  }
  try {
    await fetch(`${base}health`, { cache: "no-store" })
    reached()
  } catch {
    lost("The simulator does not answer.")
  }
  showState()
}

/* Without a stream, the page asks every two seconds. Now and then it tries the stream again. */
const poll = async () => {
  if (document.hidden || isOver) return
  const wasLost = lostAt
  await refresh()
  polls += 1
  if ((wasLost && !lostAt) || polls >= POLLS_UNTIL_STREAM) {
    clearInterval(polling)
    polling = null
    breaks = lostAt ? MOST_BREAKS - 1 : 0
    connect()
  }
}

const disconnect = () => {
  source?.close()
  source = null
}

if (run && live) {
  pauseButton.addEventListener("click", () => {
    isPaused = !isPaused
    missed = 0
    pauseButton.setAttribute("aria-pressed", isPaused)
    pauseButton.textContent = isPaused ? "Resume" : "Pause"
    isPaused ? showState() : refresh(true)
  })
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return disconnect()
    connect()
    refreshSoon(0)
  })
  addEventListener("pagehide", disconnect)
  addEventListener("pageshow", connect)
  addEventListener("scroll", () => { if (missed && !isPaused && !isRead()) refreshSoon(0) }, { passive: true })
  connect()
}
