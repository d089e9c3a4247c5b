// Everything the pages do beyond plain HTML. All of it is convenience: each page works without.
import htmx from 'htmx.org'

// No evaluated code and no injected styles: the page's content security policy allows neither. No cache of pages in the
// browser's storage: what they show is the organisation's.
htmx.config.allowEval = false
htmx.config.includeIndicatorStyles = false
htmx.config.historyCacheSize = 0
htmx.config.allowScriptTags = false
htmx.config.selfRequestsOnly = true
htmx.config.scrollBehavior = 'auto'
htmx.config.defaultSwapStyle = 'outerHTML'

function closest<T extends Element>(event: Event, selector: string): T | null {
  return event.target instanceof Element ? event.target.closest<T>(selector) : null
}

// Copy buttons: data-copy names the element whose text is copied.
document.addEventListener('click', async (event) => {
  const button = closest<HTMLButtonElement>(event, '[data-copy]')
  if (!button) return
  const text = document.querySelector(button.dataset.copy ?? '')?.textContent?.trim()
  if (!text) return
  const label = button.textContent
  try {
    await navigator.clipboard.writeText(text)
    button.textContent = 'Copied'
  } catch {
    // Without a secure context there is no clipboard: select the text so that Ctrl+C does it.
    const source = document.querySelector(button.dataset.copy ?? '')
    if (source) getSelection()?.selectAllChildren(source)
    button.textContent = 'Press Ctrl+C'
  }
  setTimeout(() => {
    button.textContent = label
  }, 2000)
})

// Forms that cannot be taken back ask first, and say that they have; without scripts the collector asks with a page.
document.addEventListener('submit', (event) => {
  const form = closest<HTMLFormElement>(event, 'form[data-confirm]')
  if (!form) return
  if (!confirm(form.dataset.confirm)) {
    event.preventDefault()
    return
  }
  const confirmed = form.querySelector<HTMLInputElement>('input[name=confirmed]') ?? document.createElement('input')
  confirmed.type = 'hidden'
  confirmed.name = 'confirmed'
  confirmed.value = 'yes'
  form.append(confirmed)
})

// "/" goes to the search field, as in most tools with one.
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey) return
  if (event.target instanceof HTMLElement && event.target.matches('input, textarea, select, [contenteditable]')) return
  const field = document.querySelector<HTMLInputElement>('[data-search]')
  if (!field) return
  event.preventDefault()
  field.focus()
  field.select()
})

// Escape closes an open menu and returns to its button.
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return
  const menu = closest<HTMLDetailsElement>(event, 'details.menu[open]')
  if (!menu) return
  menu.open = false
  menu.querySelector('summary')?.focus()
})
document.addEventListener('click', (event) => {
  for (const menu of document.querySelectorAll<HTMLDetailsElement>('details.menu[open]')) {
    if (event.target instanceof Node && !menu.contains(event.target)) menu.open = false
  }
})

// An answer that is the sign-in page means that the session has ended: go there, instead of putting nothing in the place of what was shown.
document.addEventListener('htmx:beforeSwap', (event) => {
  const { xhr } = (event as CustomEvent<{ xhr: XMLHttpRequest }>).detail
  if (!xhr.responseURL || new URL(xhr.responseURL).pathname !== '/sign-in') return
  event.preventDefault()
  location.assign(`/sign-in?${new URLSearchParams({ next: location.pathname + location.search })}`)
})

// What renews itself waits while somebody is in it: replacing it would take the focus, or the selected text, away.
document.addEventListener('htmx:beforeRequest', (event) => {
  const part = event.target
  if (!(part instanceof Element) || !part.getAttribute('hx-trigger')?.startsWith('every')) return
  const selected = getSelection()
  const selecting = selected && !selected.isCollapsed && selected.containsNode(part, true)
  if (selecting || (document.activeElement && part.contains(document.activeElement))) event.preventDefault()
})

// On narrow screens navigation and tabs scroll sideways: to where one is. The page itself stays where it is.
for (const current of document.querySelectorAll<HTMLElement>('.nav [aria-current], .tabs [aria-current], .chips [aria-current]')) {
  const row = current.parentElement
  if (!row) continue
  const middle = (element: Element) => element.getBoundingClientRect().left + element.clientWidth / 2
  row.scrollLeft += middle(current) - middle(row)
}
