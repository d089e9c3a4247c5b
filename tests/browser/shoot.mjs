import { chromium } from 'playwright-core'
const base = process.env.BASE ?? 'http://127.0.0.1:18080', out = process.env.OUT ?? '/tmp/shots'
import { mkdirSync } from 'node:fs'
mkdirSync(out, { recursive: true })
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] })
const run = async (label, width, height, colorScheme) => {
  const page = await (await browser.newContext({ viewport: { width, height }, colorScheme })).newPage()
  page.on('console', m => ['error', 'warning'].includes(m.type()) && console.log(label, m.type(), m.text()))
  page.on('pageerror', e => console.log(label, 'pageerror', e.message))
  const shot = async (name, path) => {
    if (path) await page.goto(base + path)
    await page.waitForTimeout(name.includes('graph') ? 600 : 80)
    const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    if (over > 0) console.log(label, name, 'overflows by', over)
    await page.screenshot({ path: `${out}/${label}-${name}.png`, fullPage: true })
  }
  await shot('sign-in', '/sign-in')
  await page.fill('#name', 'admin'); await page.fill('#password', 'correct horse battery'); await page.click('button.primary')
  await page.waitForLoadState()
  await shot('overview', '/')
  await shot('items', '/items')
  await shot('items-filter', '/items?q=class:database&sort=-last_seen')
  const id = async (q) => { await page.goto(base + '/items?q=' + encodeURIComponent(q)); return (await page.getAttribute('tbody th a', 'href')) }
  const machine = await id(process.env.MACHINE ?? 'class:virtual_machine name:app')
  await shot('item', machine)
  await shot('item-hardware', machine + '?view=hardware')
  await shot('item-software', machine + '?view=software')
  await shot('item-deps', machine + '?view=dependencies')
  await shot('item-history', machine + '?view=history')
  await shot('item-edit', machine + '?view=edit')
  const bs = await id('class:business_service name:shop')
  await shot('bs-deps', bs + '?view=dependencies&declare=group')
  const db = await id(process.env.DB ?? 'class:database')
  await shot('impact-empty', '/impact')
  await shot('impact-find', '/impact?find=shop')
  await shot('impact-graph', '/impact?ci=' + machine.split('/').pop() + '&ci=' + db.split('/').pop())
  await shot('enrollment', '/enrollment')
  await shot('people', '/people')
  await shot('audit', '/audit')
  await shot('new', '/items/new')
  await shot('404', '/nope')
}
const only = process.argv[2]
for (const [l, w, h, c] of [['light', 1280, 800, 'light'], ['dark', 1280, 800, 'dark'], ['phone', 390, 844, 'light']]) if (!only || only === l) await run(l, w, h, c)
await browser.close()
