// The web UI as people use it, in a real browser. Every page is also watched: no error in the console, nothing blocked by the content
// security policy, no request that leaves the collector.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { chromium } from 'playwright-core'
import { agent, hostile, password, stage } from './stage.mjs'

const screenshots = process.env.ROLLCALL_SCREENSHOTS
const browserArguments = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

let collector
let browser
let shared

before(async () => {
  collector = await stage()
  browser = await chromium.launch({ executablePath: process.env.ROLLCALL_CHROMIUM ?? '/usr/bin/chromium', args: browserArguments })
  shared = await visitor()
  await signIn(shared.page, 'admin')
})
after(async () => {
  await browser?.close()
  await collector?.stop()
})

/** A browser of its own, watched. `complaints` is everything that must not happen. */
async function visitor(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
  const page = await context.newPage()
  const complaints = []
  page.on('console', (message) => {
    const expected = /status of (401|403|404|405|422|429)/.test(message.text())
    if (['error', 'warning'].includes(message.type()) && !expected) complaints.push(`console: ${message.text()}`)
  })
  page.on('pageerror', (error) => complaints.push(`script: ${error.message}`))
  page.on('request', (request) => {
    if (!request.url().startsWith(`${collector.base}/`) && !request.url().startsWith('data:')) complaints.push(`request to ${request.url()}`)
  })
  page.on('dialog', (dialog) => dialog.accept())
  return { context, page, complaints, close: () => context.close() }
}

async function signIn(page, name, secret = password) {
  await page.goto(`${collector.base}/sign-in`)
  await page.getByLabel('Name').fill(name)
  await page.getByLabel('Password').fill(secret)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

const go = (page, path) => page.goto(`${collector.base}${path}`)
const heading = (page) => page.getByRole('heading', { level: 1 }).innerText()

/** The page of the first item that the filter finds. */
async function itemPage(page, filter) {
  await go(page, `/items?q=${encodeURIComponent(filter)}`)
  const href = await page.locator('tbody th a').first().getAttribute('href')
  assert.ok(href, `nothing found for ${filter}`)
  return href
}

function quiet(visit) {
  assert.deepEqual(visit.complaints, [])
}

test('signing in: nobody sees anything before, a wrong password says so, the way goes back to where one wanted to go', async () => {
  const visit = await visitor()
  const { page } = visit
  await go(page, '/items?q=class%3Aserver')
  assert.equal(new URL(page.url()).pathname, '/sign-in')
  await page.getByLabel('Name').fill('admin')
  await page.getByLabel('Password').fill('not the pass phrase')
  await page.getByRole('button', { name: 'Sign in' }).click()
  assert.match(await page.getByRole('alert').innerText(), /wrong/i)
  assert.equal(await page.getByLabel('Name').inputValue(), 'admin')
  await page.getByLabel('Password').fill(password)
  await page.keyboard.press('Enter')
  await page.waitForURL((url) => url.pathname === '/items')
  assert.equal(new URL(page.url()).searchParams.get('q'), 'class:server')
  await page.getByRole('button', { name: 'Sign out' }).click()
  await go(page, '/')
  assert.equal(new URL(page.url()).pathname, '/sign-in')
  quiet(visit)
  await visit.close()
})

test('every answer confines the page, and assets never change', async () => {
  const cookies = (await shared.context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ')
  for (const path of ['/', '/sign-in', '/items', '/nothing-here']) {
    const answer = await fetch(collector.base + path, { headers: { cookie: cookies }, redirect: 'manual' })
    const policy = answer.headers.get('content-security-policy') ?? ''
    assert.match(policy, /default-src 'none'/, path)
    assert.doesNotMatch(policy, /unsafe|\*/, path)
    assert.equal(answer.headers.get('cache-control'), 'no-store', path)
  }
  await go(shared.page, '/')
  const style = await shared.page.locator('link[rel=stylesheet]').getAttribute('href')
  const answer = await fetch(collector.base + style)
  assert.match(answer.headers.get('cache-control'), /immutable/)
})

test('overview: what there is, what needs attention, what changed', async () => {
  const { page } = shared
  await go(page, '/')
  assert.equal(await heading(page), 'Overview')
  const machines = Number((await page.getByRole('link', { name: /Machines$/ }).locator('strong').innerText()).replace(',', ''))
  assert.ok(machines > 250, `${machines} machines`)
  for (const title of ['Needs attention', 'Agents', 'What we have', 'Operating systems', 'Recent changes']) {
    assert.ok(await page.getByRole('heading', { name: title }).isVisible(), title)
  }
  await page.getByRole('link', { name: /Machines$/ }).click()
  assert.equal(new URL(page.url()).searchParams.get('q'), 'class:machine')
  quiet(shared)
})

test('inventory: the filter answers while typing and is in the address', async () => {
  const { page } = shared
  await go(page, '/items')
  await page.getByLabel('Filter', { exact: true }).fill('class:database')
  await page.waitForURL((url) => url.searchParams.get('q') === 'class:database')
  await page.waitForFunction(() => [...document.querySelectorAll('tbody tr td:nth-child(2)')].every((cell) => cell.textContent.trim() === 'Database'))
  const found = await page.locator('tbody tr').count()
  assert.ok(found > 0)
  await page.reload()
  assert.equal(await page.locator('tbody tr').count(), found)
  await go(page, '/items?q=ownr%3Aada')
  assert.match(await page.getByRole('alert').innerText(), /no attribute "ownr"/)
  quiet(shared)
})

test('inventory: sorting by a column, and paging through everything without a gap or a repetition', async () => {
  const { page } = shared
  await go(page, '/items?q=class%3Amachine')
  await page.getByRole('columnheader', { name: 'Name' }).getByRole('link').click()
  assert.equal(await page.getByRole('columnheader', { name: 'Name' }).getAttribute('aria-sort'), 'descending')
  const total = Number((await page.getByRole('status').last().innerText()).match(/of ([\d,]+)/)[1].replace(',', ''))
  const seen = []
  for (;;) {
    seen.push(...(await page.locator('tbody th a').evaluateAll((links) => links.map((link) => link.getAttribute('href')))))
    const next = page.getByRole('link', { name: 'Next page' })
    if (!(await next.count())) break
    await next.click()
  }
  assert.equal(seen.length, total)
  assert.equal(new Set(seen).size, total)
  quiet(shared)
})

test('inventory: columns are chosen, the list is saved as a view, opened by its address, replaced and deleted', async () => {
  const { page } = shared
  await go(page, '/items?q=class%3Amachine%20memory_bytes%3E%3D1GiB&sort=-memory_bytes')
  await page.getByText('Columns', { exact: true }).click()
  await page.getByLabel('Owner', { exact: true }).uncheck()
  await page.getByLabel('Memory', { exact: true }).check()
  await page.getByRole('button', { name: 'Show these' }).click()
  await page.waitForURL((url) => url.searchParams.getAll('column').includes('memory_bytes'))
  assert.equal(await page.getByRole('columnheader', { name: 'Memory' }).getAttribute('aria-sort'), 'descending')
  assert.equal(await page.getByRole('columnheader', { name: 'Owner' }).count(), 0)

  await page.getByText('Save as a view').click()
  await page.getByLabel(/^Name/).fill('Large machines')
  await page.getByLabel('Everybody sees it').check()
  await page.getByRole('button', { name: 'Save', exact: true }).click()
  await page.waitForURL((url) => url.searchParams.has('view'))
  assert.match(await page.getByRole('heading', { level: 1 }).innerText(), /Large machines/)
  const link = page.getByRole('navigation', { name: 'Saved views' }).getByRole('link', { name: 'Large machines' })
  assert.equal(await link.getAttribute('aria-current'), 'page')

  const guest = await visitor()
  await signIn(guest.page, 'viewer')
  await go(guest.page, await link.getAttribute('href'))
  assert.equal(await guest.page.getByRole('columnheader', { name: 'Memory' }).count(), 1)
  await guest.page.getByText('Save as a view').click()
  assert.equal(await guest.page.getByRole('button', { name: /Delete/ }).count(), 0)
  quiet(guest)
  await guest.close()

  await page.getByText('Save as a view').click()
  await page.getByRole('button', { name: 'Delete “Large machines”' }).click()
  await page.waitForURL((url) => !url.searchParams.has('view'))
  assert.equal(await page.getByRole('navigation', { name: 'Saved views' }).count(), 0)
  quiet(shared)
})

test('inventory: the export holds what the filter found', async () => {
  const answer = await shared.page.request.get(`${collector.base}/items.csv?q=class%3Abusiness_service`)
  assert.match(answer.headers()['content-type'], /text\/csv/)
  const lines = (await answer.text()).trim().split('\r\n')
  assert.match(lines[0], /^id,class,name/)
  assert.ok(lines.length > 5)
  assert.ok(lines.slice(1).every((line) => line.includes(',business_service,')))
})

test('an item: facts with who says so, hardware, software, dependencies, history', async () => {
  const { page } = shared
  const machine = await itemPage(page, 'class:virtual_machine name:shop-app')
  await go(page, machine)
  assert.match(await heading(page), /shop-app/)
  assert.match(await page.getByLabel('Impact', { exact: true }).innerText(), /^If .* is down/)
  const kernel = page.locator('.facts > div', { hasText: 'Kernel' })
  assert.match(await kernel.innerText(), /its agent/)
  await page.getByRole('link', { name: 'Hardware and system' }).click()
  assert.match(await page.locator('section', { hasText: 'Memory' }).first().innerText(), /GiB/)
  await page.getByRole('navigation', { name: 'About' }).getByRole('link', { name: /Software/ }).click()
  const all = await page.locator('#software tbody tr').count()
  const wanted = await page.locator('#software tbody th').last().innerText()
  await page.getByLabel('Name or version').fill(wanted)
  await page.waitForFunction((all) => document.querySelectorAll('#software tbody tr').length < all, all)
  assert.ok((await page.locator('#software tbody tr').first().innerText()).includes(wanted))
  await page.getByRole('link', { name: /Dependencies/ }).click()
  assert.match(await page.getByRole('region', { name: 'What needs it' }).first().innerText(), /hosts/)
  await page.getByRole('link', { name: /History/ }).click()
  assert.match(await page.getByRole('heading', { name: 'Versions' }).innerText(), /Versions/)
  quiet(shared)
})

test('what agents and people call things is text, never markup', async () => {
  const { page } = shared
  const item = await itemPage(page, 'onerror')
  for (const path of ['/items?q=onerror', item, `${item}?view=history`, `${item}?view=edit`, `/impact?ci=${item.split('/').pop()}`, '/impact?find=onerror', '/']) {
    await go(page, path)
    assert.equal(await page.evaluate(() => window.pwned), undefined, path)
    assert.equal(await page.locator('img[src=x], main script, main svg[onload]').count(), 0, path)
  }
  await go(page, item)
  assert.equal(await heading(page), hostile.name)
  assert.ok(await page.getByText(hostile.description, { exact: true }).isVisible())
  quiet(shared)
})

test('editing: a pinned owner stands, with who said it and what it was before', async () => {
  const { page } = shared
  const machine = await itemPage(page, 'class:laptop')
  await go(page, `${machine}?view=edit`)
  await page.getByLabel('Owner').fill('Ada Lovelace')
  await page.locator('.field', { hasText: 'Owner' }).getByRole('checkbox').check()
  await page.getByRole('button', { name: 'Save' }).click()
  assert.match(await page.getByRole('status').first().innerText(), /Saved/)
  const owner = page.locator('.facts > div', { hasText: 'Ada Lovelace' })
  assert.match(await owner.innerText(), /admin, pinned/)
  await go(page, `${machine}?view=history`)
  assert.match(await page.locator('.change', { hasText: 'Owner' }).first().innerText(), /Ada Lovelace/)
  quiet(shared)
})

test('declaring: a dependency by name, redundancy over dependencies, and taking both back', async () => {
  const { page } = shared
  await go(page, '/items/new')
  await page.getByLabel('What is it?').selectOption('business_service')
  await page.getByLabel('Name', { exact: true }).fill('Payroll')
  await page.getByRole('button', { name: 'Add' }).click()
  assert.equal(await heading(page), 'Payroll')
  const service = new URL(page.url()).pathname
  const names = []
  for (const filter of ['class:server', 'class:virtual_machine']) {
    await go(page, `/items?q=${encodeURIComponent(filter)}`)
    names.push((await page.locator('tbody th a').first().innerText()).trim())
  }
  for (const name of names) {
    await go(page, `${service}?view=dependencies&declare=relationship`)
    await page.getByLabel('… which item?').fill(name)
    await page.getByRole('button', { name: 'Declare' }).first().click()
    assert.match(await page.getByRole('status').first().innerText(), /declared/)
  }
  await go(page, `${service}?view=dependencies&declare=relationship`)
  await page.getByLabel('… which item?').fill('no such thing')
  await page.getByRole('button', { name: 'Declare' }).first().click()
  assert.match(await page.getByRole('status').first().innerText(), /no item called “no such thing”/)
  await go(page, `${service}?view=dependencies&declare=group`)
  await page.getByLabel('What are they together?').fill('Either of two')
  for (const name of names) await page.getByRole('checkbox', { name }).check()
  await page.getByRole('button', { name: 'Declare' }).last().click()
  assert.match(await page.locator('main').innerText(), /Either of two: 1 of 2 must serve/)
  await page.getByRole('button', { name: 'Remove' }).click()
  assert.doesNotMatch(await page.locator('main').innerText(), /Either of two/)
  await page.getByRole('button', { name: /^Withdraw/ }).first().click()
  assert.match(await page.getByRole('status').first().innerText(), /withdrawn/)
  quiet(shared)
})

test('impact: choose, read the verdict, the reasons, whom to tell, and the picture', async () => {
  const { page } = shared
  await go(page, '/impact')
  await page.getByLabel('Find an item').fill('shop-db')
  await page.getByRole('button', { name: /shop-db/ }).first().click()
  await page.waitForURL((url) => url.searchParams.has('ci'))
  assert.match(await page.getByLabel('Verdict').innerText(), /^If .*shop-db.* is down, /)
  const table = page.getByRole('region', { name: 'What is affected, and why' }).first()
  assert.ok((await table.locator('tbody tr').count()) > 3)
  assert.match(await table.innerText(), /which is down/)
  await table.getByText('Path and evidence').first().click()
  assert.match(await table.locator('details[open]').innerText(), /connection|declared|agent/)
  assert.ok(await page.getByRole('heading', { name: 'Whom to tell' }).isVisible())
  await page.waitForSelector('[data-drawn]')
  assert.ok(Number(await page.locator('[data-graph]').getAttribute('data-drawn')) > 3)
  assert.ok((await page.locator('[data-graph-canvas] canvas').count()) > 0)
  assert.match(await page.getByRole('img', { name: /Graph/ }).getAttribute('aria-label'), /table/)
  await page.getByLabel('How').selectOption('degraded')
  await page.getByRole('button', { name: 'Ask' }).click()
  assert.equal(new URL(page.url()).searchParams.get('kind'), 'degraded')
  assert.match(await page.getByLabel('Verdict').innerText(), /degraded/)
  await page.getByRole('link', { name: /^Take .* out$/ }).click()
  assert.equal(await page.getByLabel('Verdict').count(), 0)
  quiet(shared)
})

test('enrollment: a token is shown once, a machine waits, is approved and joins', async () => {
  const { page } = shared
  await go(page, '/enrollment')
  await page.getByLabel('Name').fill('Berlin notebooks')
  await page.getByLabel('Machines').fill('2')
  await page.getByLabel('A person approves each machine').check()
  await page.getByRole('button', { name: 'Create token' }).click()
  assert.match(await heading(page), /Berlin notebooks/)
  assert.match(await page.locator('#command').innerText(), /^curl .*rollcall1_/)
  const token = (await page.locator('#token').innerText()).trim()
  assert.doesNotMatch(page.url(), /rollcall1_/)
  const file = join(collector.directory, 'token')
  writeFileSync(file, token, { mode: 0o600 })
  const waiting = agent(collector.directory, 'agent', 'enroll', '--token-file', file, '--no-wait')
  assert.equal(waiting.status, 3, waiting.stderr)
  await go(page, '/enrollment')
  assert.doesNotMatch(await page.content(), /rollcall1_/)
  await page.getByRole('button', { name: /^Approve/ }).click()
  assert.match(await page.getByRole('status').first().innerText(), /approved/)
  const joined = agent(collector.directory, 'agent', 'enroll', '--token-file', file, '--no-wait')
  assert.equal(joined.status, 0, joined.stderr)
  await page.reload()
  await page.getByRole('button', { name: 'Revoke Berlin notebooks' }).click()
  assert.match(await page.locator('li', { hasText: 'Berlin notebooks' }).first().innerText(), /revoked/)
  quiet(shared)
})

test('roles: a viewer sees no control that writes, and the collector refuses the forms all the same', async () => {
  const visit = await visitor()
  const { page } = visit
  await signIn(page, 'viewer')
  const machine = await itemPage(page, 'class:laptop')
  await go(page, machine)
  assert.equal(await page.getByRole('link', { name: 'Edit' }).count(), 0)
  assert.equal(await page.getByRole('link', { name: 'Audit log' }).count(), 0)
  await go(page, '/enrollment')
  assert.equal(await page.getByRole('button', { name: 'Create token' }).count(), 0)
  const csrf = await page.locator('input[name=csrf]').first().inputValue()
  const form = { csrf, name: 'x', hours: '1', uses: '1' }
  assert.equal((await page.request.post(`${collector.base}/enrollment/tokens`, { form })).status(), 403)
  assert.equal((await page.request.get(`${collector.base}/audit`)).status(), 403)
  quiet(visit)
  await visit.close()
})

test('forms of another site are refused', async () => {
  const { page } = shared
  const machine = await itemPage(page, 'class:laptop')
  for (const csrf of ['', 'guess']) {
    const answer = await page.request.post(`${collector.base}${machine}/retire`, { form: { csrf, reason: 'mischief' } })
    assert.equal(answer.status(), 403)
    assert.match(await answer.text(), /out of date/)
  }
})

test('people and audit: somebody is added, and the log says by whom', async () => {
  const { page } = shared
  await go(page, '/people')
  await page.getByLabel('Sign-in name').fill('grace')
  await page.getByLabel('First password').fill('correct horse battery')
  await page.getByLabel('May', { exact: true }).selectOption('asset_manager')
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  assert.match(await page.getByRole('status').first().innerText(), /grace may sign in/)
  await go(page, '/audit')
  const row = page.locator('tbody tr', { hasText: 'user.create' }).first()
  assert.match(await row.innerText(), /admin[\s\S]*grace/)
  quiet(shared)
})

test('impact: a set fails as one, the answer is downloaded, kept, and shown again as it was', async () => {
  const { page } = shared
  const place = await collector.api('POST', '/cis', { class: 'rack', name: 'Rack "7"' })
  const [machine] = (await collector.api('GET', '/cis?filter=class:machine%20name:shop-db&limit=1')).items
  await collector.api('POST', '/relationships', { type: 'located_in', from: machine.id, to: place.id })
  await go(page, '/impact')
  await page.getByLabel('Find an item').fill('rack:"Rack \\"7\\""')
  await page.getByRole('button', { name: /rack:.*items/ }).click()
  await page.waitForURL((url) => url.searchParams.get('ci')?.startsWith('rack:'))
  assert.equal(await page.getByLabel('Add another').inputValue(), '', 'what was typed to find it is gone')
  assert.match(await page.getByLabel('Verdict').innerText(), /^If /)
  assert.ok(await page.getByRole('heading', { name: 'What that means' }).isVisible())
  assert.ok((await page.getByRole('region', { name: 'What is affected, and why' }).first().locator('tbody tr').count()) > 0)
  for (const [label, begins] of [['SVG', '<svg'], ['DOT', 'digraph'], ['Mermaid', '---'], ['GraphML', '<?xml'], ['JSON', '{']]) {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: label, exact: true }).click()])
    const chunks = []
    for await (const chunk of await download.createReadStream()) chunks.push(chunk)
    assert.ok(Buffer.concat(chunks).toString().startsWith(begins), label)
  }
  const verdict = await page.getByLabel('Verdict').locator('.sentence').innerText()
  await page.getByText('Keep this answer').click()
  await page.getByLabel(/What for/).fill('Change 4711 <b>')
  await page.getByRole('button', { name: 'Keep it' }).click()
  await page.waitForURL(/\/impact\/answers\/[0-9a-f-]{36}$/)
  const address = page.url()
  assert.match(await page.getByRole('note').innerText(), /As it was on .*revision \d+.*Change 4711 <b>/)
  assert.equal(await page.getByLabel('Verdict').locator('.sentence').innerText(), verdict)
  const later = (await collector.api('GET', `/cis/${machine.id}/relationships`)).dependencies.find((edge) => edge.type === 'located_in')
  await collector.api('DELETE', `/relationships/${later.id}`)
  await page.goto(address)
  assert.equal(await page.getByLabel('Verdict').locator('.sentence').innerText(), verdict, 'a kept answer does not change')
  await page.waitForSelector('[data-drawn]')
  await go(page, '/impact/answers')
  assert.equal(await page.getByRole('link', { name: verdict.slice(0, 40) }).count(), 1)
  await page.goto(address)
  await page.getByRole('button', { name: 'Delete' }).click()
  await page.waitForURL((url) => url.pathname === '/impact/answers')
  assert.match(await page.getByRole('status').innerText(), /deleted/)
  quiet(shared)
})

test('impact: what is pretended is in the address, and both answers are shown, without scripts too', async () => {
  const cookies = await shared.context.cookies()
  const visit = await visitor({ javaScriptEnabled: false })
  await visit.context.addCookies(cookies)
  const { page } = visit
  const [database] = (await collector.api('GET', '/cis?filter=class:database%20shop-db&limit=1')).items
  const target = database ?? (await collector.api('GET', '/cis?filter=class:database&limit=1')).items[0]
  await go(page, '/impact/what-if')
  await page.getByLabel('An item or a set').fill(target.id)
  await page.getByRole('button', { name: 'Set' }).click()
  const [idle] = (await collector.api('GET', '/cis?filter=class:laptop&limit=1')).items
  await page.getByLabel('This item …').fill(idle.id)
  await page.getByLabel('… this').fill(target.id)
  await page.getByRole('button', { name: 'Pretend' }).click()
  assert.match(new URL(page.url()).searchParams.get('pretend'), new RegExp(`${idle.id} needs ${target.id}`))
  const differences = page.getByRole('region', { name: 'What differs' }).first()
  assert.match(await differences.innerText(), new RegExp(`${idle.name}[\\s\\S]*ok\\s+down`))
  assert.ok(await page.getByRole('heading', { name: 'As it is' }).isVisible())
  await page.getByLabel('This item …').fill('nobody at all')
  await page.getByLabel('… this').fill(target.id)
  await page.getByRole('button', { name: 'Pretend' }).click()
  assert.match(await page.getByRole('alert').innerText(), /no item is meant/i)
  quiet(visit)
  await visit.close()
})

test('paths: every chain between two items with its evidence, or that there is none', async () => {
  const { page } = shared
  const [service] = (await collector.api('GET', '/cis?filter=class:business_service&limit=1')).items
  const needs = (await collector.api('GET', `/cis/${service.id}/needs`)).items
  const far = needs[needs.length - 1]
  await go(page, '/impact/paths')
  await page.getByLabel('From').fill(service.id)
  await page.getByLabel('To', { exact: true }).fill(far.ci.id)
  await page.getByRole('button', { name: 'Show' }).click()
  const first = page.locator('main ol.rows > li').first()
  assert.equal(await first.locator('ol > li').count(), far.hops)
  assert.match(await first.innerText(), /ago|just now/)
  quiet(shared)
})

test('review: suggestions are decided with a reason, and the reports list what to ask about', async () => {
  const { page } = shared
  await go(page, '/suggestions')
  const rows = page.locator('main ul.rows > li')
  const before = await rows.count()
  if (before > 0) {
    await rows.first().getByLabel(/^Why/).fill('they share a disk')
    await rows.first().getByRole('button', { name: /^Reject/ }).click()
    await page.waitForURL((url) => url.pathname === '/suggestions')
    assert.match(await page.getByRole('status').innerText(), /Rejected/)
    assert.equal(await rows.count(), before - 1)
    await page.getByRole('link', { name: 'What was rejected' }).click()
    assert.ok((await rows.count()) > 0)
    await rows.first().getByRole('button', { name: /^Accept/ }).click()
    assert.match(await page.getByRole('status').innerText(), /Accepted/)
    const log = (await collector.api('GET', '/audit?limit=20')).items
    assert.ok(log.some((entry) => entry.action === 'suggestion.reject' && entry.detail === 'they share a disk'))
  }
  for (const report of ['Orphans', 'Isolated', 'Declared, never observed', 'Observed, never declared']) {
    await page.getByRole('link', { name: report, exact: true }).click()
    assert.equal(await page.getByRole('link', { name: report, exact: true }).getAttribute('aria-current'), 'page')
    const number = Number((await page.locator('main h2 .count').innerText()).replace(/,/g, ''))
    assert.equal(Math.min(number, 500), await page.locator('main tbody tr').count(), report)
  }
  quiet(shared)
})

test('applications: proposed from where they begin, pruned, assembled, confirmed', async () => {
  const { page } = shared
  const edges = (await collector.api('GET', '/relationships?limit=1000')).items.filter((edge) => edge.type === 'connects_to' && edge.hardness === 'hard')
  const start = edges[0].from
  await go(page, '/applications')
  await page.getByRole('link', { name: 'Assemble one' }).click()
  await page.getByLabel(/^A service or process/).fill(start.id)
  await page.getByRole('button', { name: 'Propose' }).click()
  const parts = page.getByRole('region', { name: /Proposed parts/ }).locator('tbody tr')
  const proposed = await parts.count()
  assert.ok(proposed > 1, `${proposed} parts`)
  await page.getByRole('checkbox', { name: /^Leave out/ }).last().check()
  await page.getByLabel('What people call it').fill('Checkout <b>')
  await page.getByRole('button', { name: 'Assemble' }).click()
  await page.waitForURL(/\/applications\/[0-9a-f-]{36}$/)
  assert.equal(await heading(page), 'Checkout <b>')
  assert.ok(await page.getByRole('heading', { name: 'Left out' }).isVisible())
  const kept = await page.getByRole('region', { name: /Confirmed parts/ }).locator('tbody tr').count()
  assert.ok(kept < proposed, `${kept} of ${proposed}`)
  await page.locator('main input[name=pruned][checked]').first().uncheck()
  await page.getByRole('button', { name: 'Confirm what it is made of' }).click()
  assert.match(await page.getByRole('status').innerText(), /Confirmed/)
  assert.equal(await page.getByRole('region', { name: /Confirmed parts/ }).locator('tbody tr').count(), proposed)
  await go(page, '/applications')
  assert.ok(await page.getByRole('link', { name: 'Checkout <b>' }).isVisible())
  quiet(shared)
})

test('keyboard: skip link, search by slash, and the impact question without a mouse', async () => {
  const visit = await visitor()
  const { page } = visit
  await signIn(page, 'admin')
  await go(page, '/')
  await page.keyboard.press('Tab')
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the content')
  await page.keyboard.press('Enter')
  assert.equal(await page.evaluate(() => document.activeElement.id), 'content')
  await page.keyboard.press('/')
  assert.equal(await page.evaluate(() => document.activeElement.id), 'search')
  await page.keyboard.type('shop-lb')
  await page.keyboard.press('Enter')
  await page.waitForURL((url) => url.searchParams.get('q') === 'shop-lb')
  await go(page, '/impact')
  await page.getByLabel('Find an item').focus()
  await page.keyboard.type('shop-lb')
  await page.getByRole('button', { name: /shop-lb/ }).first().waitFor()
  for (let presses = 0; presses < 10; presses++) {
    await page.keyboard.press('Tab')
    if (await page.evaluate(() => document.activeElement.getAttribute('name') === 'fails')) break
  }
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle)
  assert.equal(outline, 'solid')
  await page.keyboard.press('Enter')
  await page.waitForURL((url) => url.searchParams.has('ci'))
  assert.match(await page.getByLabel('Verdict').innerText(), /shop-lb/)
  quiet(visit)
  await visit.close()
})

test('without scripts: filter, choose and ask all the same', async () => {
  const visit = await visitor({ javaScriptEnabled: false })
  const { page } = visit
  await signIn(page, 'admin')
  await go(page, '/items')
  await page.getByLabel('Filter', { exact: true }).fill('class:business_service')
  await page.getByRole('button', { name: 'Filter' }).click()
  assert.ok((await page.locator('tbody tr').count()) > 5)
  await go(page, '/impact')
  await page.getByLabel('Find an item').fill('shop-lb')
  await page.getByRole('button', { name: 'Find' }).click()
  await page.getByRole('button', { name: /shop-lb/ }).first().click()
  assert.match(await page.getByLabel('Verdict').innerText(), /^If /)
  await visit.close()
})

test('a class of one\'s own: it is offered at once, a wrong value is refused, its items are found; what another rule would change is shown first', async () => {
  const { page } = shared
  await go(page, '/classes')
  await page.getByLabel('Name for people').fill('Coffee maker')
  await page.getByLabel('Several of them').fill('Coffee makers')
  await page.locator('#class-name').fill('coffee_maker')
  await page.getByLabel('Is a kind of').selectOption('hardware')
  await page.getByRole('button', { name: 'Add the class' }).click()
  assert.equal(await heading(page), 'Coffee maker')
  for (const [label, name, kind, more] of [['Machine number', 'machine_number', 'text', true], ['Boiler pressure', 'boiler_bar', 'number', false]]) {
    await page.getByLabel('Name for people').fill(label)
    await page.locator('#attribute-name').fill(name)
    await page.getByLabel('Kind').selectOption(kind)
    if (kind === 'number') await page.locator('#attribute-unit').fill('bar')
    if (more) await page.getByLabel('Whoever adds an item must give it').check()
    await page.getByRole('button', { name: 'Add the attribute' }).click()
    assert.match(await page.getByRole('status').first().innerText(), /attribute is there/)
  }
  await page.getByRole('link', { name: 'Add one' }).click()
  await page.getByLabel('Name', { exact: true }).fill('Kitchen')
  await page.getByLabel('Machine number').fill('EM-1')
  await page.getByLabel('Boiler pressure').fill('nine')
  await page.getByRole('button', { name: 'Add' }).click()
  assert.match(await page.locator('.flash').innerText(), /Boiler pressure: a number.*“?.nine/)
  const typed = (label) => page.getByLabel(label, { exact: true }).inputValue()
  assert.deepEqual([await typed('Name'), await page.getByLabel('Machine number').inputValue(), await page.getByLabel('Boiler pressure').inputValue()], ['Kitchen', 'EM-1', 'nine'], 'what was typed is still there')
  await page.getByLabel('Boiler pressure').fill('9.5')
  await page.getByRole('button', { name: 'Add' }).click()
  assert.equal(await heading(page), 'Kitchen')
  assert.match(await page.locator('main').innerText(), /Boiler pressure\s*9\.5/)
  const kitchen = new URL(page.url()).pathname
  await go(page, `/items?q=${encodeURIComponent('class:coffee_maker boiler_bar>9')}`)
  assert.match(await page.locator('tbody').innerText(), /Kitchen/)
  await go(page, `${kitchen}?view=edit`)
  await page.getByLabel('Boiler pressure').fill('eight')
  await page.getByLabel('Owner').fill('Facilities')
  await page.getByRole('button', { name: 'Save' }).click()
  assert.equal(await page.getByLabel('Owner').inputValue(), 'Facilities', 'a refused form keeps what was typed')
  await page.getByLabel('Boiler pressure').fill('8')
  await page.getByRole('button', { name: 'Save' }).click()
  assert.match(await page.locator('main').innerText(), /Boiler pressure\s*8/)

  // Another's word on it, and what a rule would make of that.
  const id = kitchen.split('/').pop()
  await collector.api('PATCH', `/cis/${id}`, { attributes: { boiler_bar: 7 } })
  await go(page, '/classes/coffee_maker')
  await page.getByLabel('Attribute *').fill('boiler_bar')
  await page.getByLabel(/^Order/).fill('user:console, user')
  await page.getByRole('button', { name: 'See what it would change' }).click()
  assert.match(await page.locator('#rules').innerText(), /would (stand|change)/)
})

test('what destroys is asked first: by a dialog where scripts run, else by a page that one can leave', async () => {
  const made = await collector.api('POST', '/cis', { class: 'printer', name: 'Old <printer>' })
  const visit = await visitor({ javaScriptEnabled: false })
  const { page } = visit
  await signIn(page, 'admin')
  await go(page, `/items/${made.id}?view=edit`)
  await page.getByLabel('Why?').fill('Sold')
  await page.getByRole('button', { name: 'Retire' }).click()
  assert.equal(await heading(page), 'Retire Old <printer>?')
  if (screenshots) await page.screenshot({ path: join(screenshots, 'confirm.png'), fullPage: true })
  await page.getByRole('link', { name: 'Cancel' }).click()
  assert.equal((await collector.api('GET', `/cis/${made.id}`)).lifecycle, 'active')
  await page.getByLabel('Why?').fill('Sold')
  await page.getByRole('button', { name: 'Retire' }).click()
  await page.getByRole('button', { name: 'Retire' }).click()
  assert.match(await page.getByRole('status').innerText(), /retired/)
  quiet(visit)
  await visit.close()

  const other = await collector.api('POST', '/cis', { class: 'printer', name: 'Older printer' })
  await go(shared.page, `/items/${other.id}?view=edit`)
  await shared.page.getByLabel('Why?').fill('Sold')
  await shared.page.getByRole('button', { name: 'Retire' }).click()
  await shared.page.waitForURL((url) => url.pathname === `/items/${other.id}` && !url.search)
  assert.match(await shared.page.getByRole('status').innerText(), /retired/, 'the dialog is enough')
  quiet(shared)
})

test('a refused form stands there as it was typed, and its address opens as a page that leads back', async () => {
  const { page } = shared
  await go(page, '/classes')
  await page.getByLabel('The dependent …').fill('is cooled by')
  await page.getByLabel('… and the other way').fill('cools')
  await page.locator('#type-name').fill('runs_on')
  await page.getByLabel('If what it depends on fails').selectOption('soft')
  await page.getByRole('button', { name: 'Add the type' }).click()
  assert.match(await page.locator('.flash.problem').innerText(), /comes with Rollcall/)
  assert.deepEqual([await page.getByLabel('The dependent …').inputValue(), await page.locator('#type-name').inputValue(), await page.getByLabel('If what it depends on fails').inputValue()], ['is cooled by', 'runs_on', 'soft'])
  assert.equal(await page.locator('#class-name').inputValue(), '', 'only the form that was refused')
  assert.ok((await page.getByRole('navigation', { name: 'Main' }).count()) > 0)
  const answer = await go(page, new URL(page.url()).pathname)
  assert.equal(answer.status(), 405)
  assert.equal(answer.headers().allow, 'POST')
  await page.getByRole('link', { name: 'Go to the classes' }).click()
  assert.equal(await heading(page), 'Classes')
  quiet(shared)
})

test('errors are pages that say the next step', async () => {
  const { page } = shared
  for (const path of ['/items/00000000-0000-0000-0000-000000000000', '/items/not-an-id', '/nothing-here']) {
    const answer = await go(page, path)
    assert.equal(answer.status(), 404, path)
    assert.ok(await page.getByRole('link', { name: 'Go to the overview' }).isVisible(), path)
  }
})

for (const [look, options] of [
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['narrow', { colorScheme: 'light', viewport: { width: 390, height: 844 } }],
]) {
  test(`every page fits its window and can be read: ${look}`, async () => {
    const visit = await visitor(options)
    const { page } = visit
    await go(page, '/sign-in')
    await fits(page, look, 'sign-in')
    await signIn(page, 'admin')
    const machine = await itemPage(page, 'class:virtual_machine name:shop-app')
    const service = await itemPage(page, 'class:business_service')
    const pages = {
      overview: '/',
      items: '/items?q=class%3Amachine',
      item: machine,
      hardware: `${machine}?view=hardware`,
      software: `${machine}?view=software`,
      dependencies: `${machine}?view=dependencies`,
      service: `${service}?view=dependencies&declare=group`,
      history: `${machine}?view=history`,
      edit: `${machine}?view=edit`,
      'new-item': '/items/new',
      'impact-find': '/impact?find=shop',
      impact: `/impact?ci=${machine.split('/').pop()}`,
      'impact-set': `/impact?down=${encodeURIComponent('filter:"shop-db"')}&maintenance=${machine.split('/').pop()}&kind=degraded`,
      'what-if': `/impact/what-if?ci=${machine.split('/').pop()}&pretend=${encodeURIComponent(`${service.split('/').pop()} needs-not ${machine.split('/').pop()}`)}`,
      paths: `/impact/paths?from=${service.split('/').pop()}&to=${machine.split('/').pop()}`,
      'kept-answers': '/impact/answers',
      'kept-answer': await keptAnswer(machine.split('/').pop()),
      applications: '/applications',
      'application-new': `/applications/new?item=${machine.split('/').pop()}&select=${encodeURIComponent('class:database shop')}`,
      application: await application(service.split('/').pop()),
      suggestions: '/suggestions',
      orphans: '/reports?show=orphans',
      observed: '/reports?show=observed',
      enrollment: '/enrollment',
      people: '/people',
      audit: '/audit',
      classes: '/classes',
      class: `/classes/server?attribute=serial&order=${encodeURIComponent('user 30d, agent')}`,
      'new-server': '/items/new?class=server',
      'not-found': '/nothing-here',
    }
    for (const [name, path] of Object.entries(pages)) {
      await go(page, path)
      if (name === 'impact') await page.waitForSelector('[data-drawn]')
      await fits(page, look, name)
    }
    quiet(visit)
    await visit.close()
  })
}

/** The page of an answer that is kept about this item. */
async function keptAnswer(id) {
  const kept = await collector.api('POST', '/impact/answers', { question: { failures: [{ ci: id }] }, reason: 'Change 4711' })
  return `/impact/answers/${kept.id}`
}

/** The page of an application that begins at what this item needs. */
async function application(id) {
  const [edge] = (await collector.api('GET', '/relationships?limit=1000')).items.filter((edge) => edge.type === 'connects_to')
  const name = `Shop ${id.slice(-4)} ${Math.random()}`
  const made = await collector.api('POST', '/applications', { name, start: { items: [edge.from.id] } })
  return `/applications/${made.id}`
}

async function fits(page, look, name) {
  const problems = await page.evaluate(() => {
    const found = []
    const wide = document.documentElement.scrollWidth - innerWidth
    if (wide > 0) found.push(`the page is ${wide} pixels wider than the window`)
    const color = (text) => text.match(/[\d.]+/g).map(Number)
    const over = ([r, g, b, a = 1], [r2, g2, b2]) => [r * a + r2 * (1 - a), g * a + g2 * (1 - a), b * a + b2 * (1 - a)]
    const luminance = (rgb) =>
      rgb.map((part) => part / 255).map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)).reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0)
    const background = (element) => {
      const chain = []
      for (let at = element; at; at = at.parentElement) chain.push(color(getComputedStyle(at).backgroundColor))
      return chain.reverse().reduce((below, above) => over(above, below), [255, 255, 255])
    }
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    const judged = new Set()
    while (texts.nextNode()) {
      const element = texts.currentNode.parentElement
      if (!texts.currentNode.textContent.trim() || judged.has(element) || !element.checkVisibility() || element.closest('.visually-hidden, .skip, option, datalist')) continue
      judged.add(element)
      const behind = background(element)
      const [light, dark] = [luminance(over(color(getComputedStyle(element).color), behind)), luminance(behind)].sort((a, b) => b - a)
      const contrast = (light + 0.05) / (dark + 0.05)
      if (contrast < 4.5) found.push(`contrast ${contrast.toFixed(2)} of “${texts.currentNode.textContent.trim().slice(0, 40)}”`)
    }
    for (const field of document.querySelectorAll('input:not([type=hidden]), select, textarea')) {
      if (!field.labels?.length && !field.getAttribute('aria-label')) found.push(`no label for ${field.name}`)
    }
    for (const control of document.querySelectorAll('a, button')) {
      if (!control.textContent.trim() && !control.getAttribute('aria-label')) found.push(`no name for ${control.outerHTML.slice(0, 80)}`)
    }
    return [...new Set(found)]
  })
  if (screenshots) {
    mkdirSync(screenshots, { recursive: true })
    await page.screenshot({ path: join(screenshots, `${look}-${name}.png`), fullPage: true })
  }
  assert.deepEqual(problems, [], `${look} ${name}`)
}

test('a table is handed in, previewed, read in another way, applied and taken back, without scripts', async () => {
  const visit = await visitor({ javaScriptEnabled: false })
  const { page } = visit
  await signIn(page, 'admin')
  await go(page, '/items')
  await page.getByRole('link', { name: 'Import', exact: true }).click()
  assert.equal(await heading(page), 'Imports')
  await page.getByLabel('Whose word is it?').fill('register')
  const table = 'Name,Kind,Serial No,Chair\nprinted-1,Printer,PR-1,red\nprinted-1,Printer,PR-1,blue\n<b>x</b>,Toaster,,\n'
  await page.getByLabel('File').setInputFiles({ name: 'register.csv', mimeType: 'text/csv', buffer: Buffer.from(table) })
  await page.getByRole('button', { name: 'Preview' }).click()
  const settled = async (words) => {
    for (let tries = 0; tries < 100; tries += 1) {
      if ((await page.getByText(words).count()) > 0) return
      await new Promise((resolve) => setTimeout(resolve, 100))
      await page.goto(page.url())
    }
    assert.fail(`${words} did not come: ${await page.locator('main').innerText()}`)
  }
  await settled('Nothing has happened yet.')
  const rows = await page.locator('tbody').innerText()
  assert.match(rows, /printed-1[^]*create[^]*serial: PR-1/)
  assert.match(rows, /conflict[^]*row 2/i)
  assert.match(rows, /there is no class "Toaster"/i)
  assert.equal(await page.locator('tbody b').count(), 0, 'what stands in a file is text')
  await page.getByText('What the columns say').click()
  await page.getByLabel('Chair').fill('location')
  await page.getByRole('button', { name: 'Read it again' }).click()
  await settled('location: red')
  if (screenshots) await page.screenshot({ path: join(screenshots, 'import-preview.png'), fullPage: true })
  await page.getByRole('button', { name: /^Apply/ }).click()
  await settled('1 item made, 0 changed.')
  await go(page, '/items?q=name%3Dprinted-1')
  assert.match(await page.locator('tbody').innerText(), /printed-1[^]*red/)
  await go(page, '/imports')
  await page.getByRole('link', { name: 'register.csv' }).first().click()
  await page.getByRole('button', { name: 'Take it back' }).click()
  assert.match(await heading(page), /^Take register\.csv back\?$/, 'without scripts a page asks')
  await page.getByRole('button', { name: 'Take it back' }).click()
  await settled('Taken back as a whole.')
  await go(page, '/items?q=name%3Dprinted-1')
  assert.match(await page.locator('main').innerText(), /Nothing matches/)
  quiet(visit)
  await visit.close()
})

test('the list can be had in four formats', async () => {
  const { page } = shared
  await go(page, '/items?q=class%3Aserver')
  for (const format of ['CSV', 'XLSX', 'JSON', 'YAML']) {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: `Export ${format}` }).click()])
    assert.equal(download.suggestedFilename(), `rollcall-items.${format.toLowerCase()}`)
  }
})
